// Every page, loaded when it is first opened.

import { Navigate, type RouteObject } from 'react-router';
import { Shell } from './Shell';
import { Failed, NotFound } from './Failed';

export const routes: RouteObject[] = [
  {
    path: '/',
    element: <Shell />,
    errorElement: <Failed />,
    HydrateFallback: () => null,
    children: [
      {
        errorElement: <Failed />,
        children: [
          { index: true, lazy: async () => ({ Component: (await import('../pages/overview/Overview')).default }) },
          { path: 'clusters', lazy: async () => ({ Component: (await import('../pages/clusters/Clusters')).default }) },
          { path: 'assets', lazy: async () => ({ Component: (await import('../pages/assets/Assets')).default }) },
          { path: 'asset', lazy: async () => ({ Component: (await import('../pages/assets/AssetPage')).default }) },
          { path: 'inspection', lazy: async () => ({ Component: (await import('../pages/inspection/Inspection')).default }) },
          { path: 'findings', lazy: async () => ({ Component: (await import('../pages/findings/Findings')).default }) },
          { path: 'alerts', lazy: async () => ({ Component: (await import('../pages/alerts/Alerts')).default }) },
          { path: 'events', lazy: async () => ({ Component: (await import('../pages/events/Events')).default }) },
          { path: 'exceptions', lazy: async () => ({ Component: (await import('../pages/exceptions/Exceptions')).default }) },
          { path: 'access', lazy: async () => ({ Component: (await import('../pages/access/Access')).default }) },
          { path: 'system', lazy: async () => ({ Component: (await import('../pages/system/System')).default }) },
          // Where a refused log-in leads (Login.tsx); once logged in there is nothing.
          { path: 'login', element: <Navigate to="/" replace /> },
          { path: '*', Component: NotFound },
        ],
      },
    ],
  },
];
