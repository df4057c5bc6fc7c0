import type { ISignal } from '@lumino/signaling';
import { useLayoutEffect, useReducer } from 'react';

/** Draws the component anew whenever the signal says so. */
export function useSignal<S, A>(signal: ISignal<S, A>): void {
  const [, again] = useReducer((count: number) => count + 1, 0);
  useLayoutEffect(() => {
    const slot = () => again();
    signal.connect(slot);
    again(); // what was said between the first drawing and now
    return () => {
      signal.disconnect(slot);
    };
  }, [signal]);
}
