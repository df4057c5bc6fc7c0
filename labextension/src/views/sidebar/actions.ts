import { CommandIDs } from '../../tokens';

/** The way from a view to a command: views neither fetch nor act themselves. */
export type Run = (
  command: (typeof CommandIDs)[keyof typeof CommandIDs],
  ids?: readonly string[]
) => void;
