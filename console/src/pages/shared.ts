// What several pages ask for.

import dayjs from 'dayjs';
import { useGet } from '../api/hooks';
import type { Cluster, Page } from '../api/types';
import { useMay } from '../app/session';

export function useClusters(): Cluster[] {
  const may = useMay();
  return useGet<Page<Cluster>>('/clusters', { limit: 500, sort: 'name' }, { enabled: may('clusters.read') }).data?.items ?? [];
}

// A cluster's id as its name.
export function useClusterName(): (id: string) => string {
  const clusters = useClusters();
  return (id) => clusters.find((cluster) => cluster.id === id)?.name ?? id;
}

// A span of time whose newest event is of that moment.
export function atTime(time: string): { since: string; until: string } {
  return { since: dayjs(time).subtract(5, 'minute').toISOString(), until: dayjs(time).add(1, 'second').toISOString() };
}

// A principal's id as people say it: "user:alice" is alice.
export function personOf(id: string | undefined): string {
  return (id ?? '').replace(/^(user|token|kubernetes):/, '');
}
