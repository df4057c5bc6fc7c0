import type { IMimeBundle, IOutput } from '@jupyterlab/nbformat';
import { JSONExt, PartialJSONObject } from '@lumino/coreutils';

import {
  CARD_MIME_TYPE,
  Job,
  JobOutputs,
  JobRecord,
  METADATA_KEY
} from '../api/types';
import { readRecord } from '../views/card/saved';
import { cardHtml, cardText } from './text';

const WIDGET_MIME_TYPE = 'application/vnd.jupyter.widget-view+json';
const STDERR_MIME_TYPE = 'application/vnd.jupyter.stderr';

/** What an output says of itself in its metadata: a card that outputs belong under, or an output written under one. */
interface Mark {
  job: string;
  home?: boolean;
  attempt?: number;
}

export function markOf(output: IOutput): Mark | null {
  const metadata = output.metadata as PartialJSONObject | undefined;
  const mark = metadata?.[METADATA_KEY] as Partial<Mark> | undefined;
  return typeof mark === 'object' && typeof mark?.job === 'string'
    ? (mark as Mark)
    : null;
}

/** The record of a card that the kernel showed; null for all other outputs, those of a job among them. */
export function cardOf(output: IOutput): JobRecord | null {
  const data = output.data as IMimeBundle | undefined;
  return data === undefined || isWritten(output)
    ? null
    : readRecord(data[CARD_MIME_TYPE] as never);
}

/** Whether the cell waits for the outputs of this job. */
export function isHome(output: IOutput): boolean {
  return markOf(output)?.home === true && !isWritten(output);
}

function isWritten(output: IOutput): boolean {
  return typeof markOf(output)?.attempt === 'number';
}

/** How much of a job's end the cell holds: its cards, and the outputs under the one that waits for them. */
export function heldOf(
  outputs: readonly IOutput[],
  ended: Pick<JobRecord, 'id' | 'state' | 'ended_at'>
): { cards: boolean; outputs: boolean } {
  const cards = outputs.filter(output => cardOf(output)?.id === ended.id);
  const saved = cards.map(card => cardOf(card)!);
  const attempt = Math.max(0, ...saved.map(lastAttempt));
  return {
    cards: saved.every(
      ({ state, ended_at }) =>
        state === ended.state && ended_at === ended.ended_at
    ),
    outputs:
      !cards.some(isHome) ||
      outputs.map(markOf).some(mark => {
        return mark?.job === ended.id && mark.attempt === attempt;
      })
  };
}

/**
 * The outputs of a cell with the last word on one job in them: its cards say how it ended, and what it has `written`
 * lies under the first card that waits for it, in the place of what was written before. Everything else stays as it is.
 */
export function planOutputs(
  outputs: readonly IOutput[],
  job: Job,
  written: JobOutputs | null
): IOutput[] {
  const rest = outputs.filter(
    output =>
      written === null || !isWritten(output) || markOf(output)?.job !== job.id
  );
  const home = rest.findIndex(
    output => isHome(output) && cardOf(output)?.id === job.id
  );
  return rest.flatMap((output, index) => [
    cardOf(output)?.id === job.id ? withRecord(output, job) : output,
    ...(index === home && written !== null ? marked(written, job.id) : [])
  ]);
}

function withRecord(output: IOutput, job: Job): IOutput {
  const data = output.data as IMimeBundle;
  const saved = data[CARD_MIME_TYPE] as PartialJSONObject;
  const record = recordOf(job) as unknown as PartialJSONObject;
  if (JSONExt.deepEqual({ ...saved, as_of: null }, record)) {
    return output;
  }
  return {
    ...output,
    data: {
      ...data,
      'text/plain': cardText(job),
      'text/html': cardHtml(job),
      [CARD_MIME_TYPE]: record
    }
  };
}

/** What a card carries: not where the job lies, nor what may be done with it now, nor when somebody looked. */
function recordOf(job: Job): JobRecord {
  return { ...readRecord(job as never)!, as_of: null };
}

/** Outputs that say whose they are. Streams and errors cannot carry metadata in a notebook, displays can. */
function marked(written: JobOutputs, job: string): IOutput[] {
  const mark = { job, attempt: written.attempt };
  return written.outputs.map(output => ({
    output_type: 'display_data',
    data: bundleOf(output),
    metadata: {
      ...(output.metadata as PartialJSONObject | undefined),
      [METADATA_KEY]: mark
    }
  }));
}

function bundleOf(output: IOutput): IMimeBundle {
  if (output.output_type === 'stream') {
    const text = settle(joined(output.text));
    return output.name === 'stderr'
      ? { [STDERR_MIME_TYPE]: text, 'text/plain': text }
      : { 'text/plain': text };
  }
  if (output.output_type === 'error') {
    const traceback = Array.isArray(output.traceback) ? output.traceback : [];
    const text =
      traceback.join('\n') || `${output.ename}: ${output.evalue as string}`;
    return { [STDERR_MIME_TYPE]: text, 'text/plain': text };
  }
  const data = { ...(output.data as IMimeBundle) };
  if (Object.keys(data).length > 1) {
    delete data[WIDGET_MIME_TYPE]; // its model died with the job's kernel
  }
  return data;
}

function joined(text: unknown): string {
  return Array.isArray(text) ? text.join('') : String(text);
}

/** Text as a terminal leaves it: a display's is not redrawn by carriage returns, as a stream's is. */
export function settle(text: string): string {
  if (!/[\r\b]/.test(text)) {
    return text;
  }
  return text.replace(/\r+\n/g, '\n').split('\n').map(redraw).join('\n');
}

function redraw(line: string): string {
  let shown = '';
  for (const drawing of line.split('\r')) {
    let plain = drawing;
    while (/[^\b][\b]/.test(plain)) {
      plain = plain.replace(/[^\b][\b]/g, '');
    }
    plain = plain.replace(/[\b]/g, '');
    shown = plain + shown.slice(plain.length);
  }
  return shown;
}

function lastAttempt(record: JobRecord): number {
  return record.attempts[record.attempts.length - 1]?.number ?? 1;
}
