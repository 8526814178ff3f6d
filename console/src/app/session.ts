import { createContext, useContext } from 'react';
import type { Session } from '../api/types';

// "findings.*" gives "findings.read"; "*" everything.
export function grants(permissions: string[], wanted: string): boolean {
  return permissions.some(
    (given) => given === '*' || given === wanted || (given.endsWith('*') && wanted.startsWith(given.slice(0, -1))),
  );
}

export const SessionContext = createContext<Session>({ authenticated: false });
export const useSession = () => useContext(SessionContext);

// May the reader do that, anywhere at all? What may not be done is not offered; the server decides.
export function useMay(): (permission: string) => boolean {
  const { permissions = [] } = useSession();
  return (permission) => grants(permissions, permission);
}
