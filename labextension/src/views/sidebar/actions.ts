import { CommandIDs } from '../../tokens';

type Command = (typeof CommandIDs)[keyof typeof CommandIDs];

/** The way from a view to a command: views neither fetch nor act themselves. */
export interface Run {
  (command: Command, ids?: readonly string[]): void;
  /** Whether the application has it. */
  knows: (command: Command) => boolean;
}
