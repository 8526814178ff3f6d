// ECharts in React: only the parts that the console draws. Tooltips are DOM nodes, not HTML text
// with style attributes, which the content security policy forbids.

import { BarChart, LineChart } from 'echarts/charts';
import { GridComponent, TooltipComponent } from 'echarts/components';
import { init, use, type EChartsCoreOption, type EChartsType } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import { useEffect, useRef } from 'react';

use([BarChart, LineChart, GridComponent, TooltipComponent, CanvasRenderer]);

export interface ChartProps {
  option: EChartsCoreOption;
  height: number;
  label: string;
  onReady?: (chart: EChartsType) => (() => void) | void;
}

export default function Canvas({ option, height, label, onReady }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<EChartsType>(null);
  const ready = useRef(onReady);
  ready.current = onReady;

  useEffect(() => {
    const made = init(box.current!, undefined, { renderer: 'canvas' });
    chart.current = made;
    const end = ready.current?.(made);
    const observer = new ResizeObserver(() => made.resize());
    observer.observe(box.current!);
    return () => {
      observer.disconnect();
      end?.();
      made.dispose();
    };
  }, []);
  useEffect(() => {
    chart.current?.setOption({ animation: false, ...option }, { replaceMerge: ['series'] });
  }, [option]);
  return <div ref={box} className="chart" style={{ height }} role="img" aria-label={label} />;
}
