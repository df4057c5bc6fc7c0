import { plain } from '../../words';

const KINDS = [
  'capture',
  'submit',
  'queue',
  'start',
  'environment',
  'classical',
  'transpile',
  'broker_queue',
  'device_queue',
  'transport',
  'quantum',
  'return',
  'element'
];

/** The parts of the breakdown have names of their own for some kinds. */
const KIND_OF_PART: Record<string, string> = {
  submission: 'submit',
  'site queue': 'queue',
  'broker queue': 'broker_queue',
  'device queue': 'device_queue'
};

/** The class that has the colour of a kind of span. */
export function kindClass(kind: string): string {
  const known = KINDS.includes(kind) ? kind : 'other';
  return `qhub-kind-${known.replace('_', '-')}`;
}

/** The same for a part of the breakdown. */
export function partClass(part: string): string {
  return kindClass(KIND_OF_PART[part] ?? part);
}

export function kindWord(kind: string): string {
  return plain(kind, 40).replace('_', ' ');
}
