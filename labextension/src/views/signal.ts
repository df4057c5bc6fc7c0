import type { ISignal } from '@lumino/signaling';
import { useEffect, useReducer } from 'react';

/** Draws the component anew whenever the signal says so. */
export function useSignal<S, A>(signal: ISignal<S, A>): void {
  const [, again] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const slot = () => again();
    signal.connect(slot);
    again(); // what was said between the first drawing and now
    return () => {
      signal.disconnect(slot);
    };
  }, [signal]);
}
