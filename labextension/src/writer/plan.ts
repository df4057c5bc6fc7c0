import type { IMimeBundle, IOutput, IStream } from '@jupyterlab/nbformat';
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

/**
 * What an output says of itself in its metadata: a card that outputs belong under (`home`), with the attempt whose
 * `outputs` are the next so many; or a display written under one. Streams and errors have no room for metadata in a
 * notebook, and are written as what they are, so that every reader shows them as if the cell had run here.
 */
interface Mark {
  job: string;
  home?: boolean;
  attempt?: number;
  outputs?: number;
}

function markOf(output: IOutput): Mark | null {
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
function isHome(output: IOutput): boolean {
  return markOf(output)?.home === true && !isWritten(output);
}

/** A display of a job. */
function isWritten(output: IOutput): boolean {
  const mark = markOf(output);
  return typeof mark?.attempt === 'number' && mark.home !== true;
}

/** What lies under the card at `home` and was written there. */
function writtenUnder(outputs: readonly IOutput[], home: number): IOutput[] {
  const mark = home < 0 ? null : markOf(outputs[home]);
  const next = outputs.slice(home + 1, home + 1 + (mark?.outputs ?? 0));
  const end = next.findIndex(
    output => !isMarkless(output) && markOf(output)?.job !== mark?.job
  );
  return end < 0 ? next : next.slice(0, end);
}

function isMarkless(output: IOutput): boolean {
  return output.output_type === 'stream' || output.output_type === 'error';
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
    outputs: cards.filter(isHome).every((card, index) => {
      return index > 0 || markOf(card)!.attempt === attempt;
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
  const isOwnHome = (output: IOutput): boolean =>
    isHome(output) && cardOf(output)?.id === job.id;
  const before = new Set(writtenUnder(outputs, outputs.findIndex(isOwnHome)));
  const rest = outputs.filter(
    output =>
      written === null ||
      !(
        before.has(output) ||
        (isWritten(output) && markOf(output)?.job === job.id)
      )
  );
  const home = rest.findIndex(isOwnHome);
  return rest.flatMap((output, index) => {
    const shown =
      cardOf(output)?.id === job.id ? withRecord(output, job) : output;
    if (index !== home || written === null) {
      return [shown];
    }
    const under = marked(written, job.id, rest[index + 1]);
    const { attempt } = written;
    const mark = { job: job.id, home: true, attempt, outputs: under.length };
    const metadata = {
      ...(shown.metadata as PartialJSONObject),
      [METADATA_KEY]: mark
    };
    return [{ ...shown, metadata }, ...under];
  });
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

/** The outputs as a notebook keeps them; displays say whose they are. A notebook joins streams that touch, also with what is `next`. */
function marked(
  written: JobOutputs,
  job: string,
  next: IOutput | undefined
): IOutput[] {
  const mark = { job, attempt: written.attempt };
  const kept: IOutput[] = [];
  for (const output of written.outputs) {
    const last = kept[kept.length - 1];
    if (isStream(output) && isStream(last) && last.name === output.name) {
      last.text = settle(joined(last.text) + joined(output.text));
    } else {
      kept.push(keptForm(output, mark));
    }
  }
  const end = kept[kept.length - 1];
  if (isStream(end) && isStream(next) && end.name === next.name) {
    kept[kept.length - 1] = display({ 'text/plain': end.text }, {}, mark);
  }
  return kept;
}

function isStream(output: IOutput | undefined): output is IStream {
  return output?.output_type === 'stream';
}

function keptForm(output: IOutput, mark: Mark): IOutput {
  if (isStream(output)) {
    const { output_type, name } = output;
    return { output_type, name, text: settle(joined(output.text)) };
  }
  if (output.output_type === 'error') {
    const traceback = Array.isArray(output.traceback) ? output.traceback : [];
    return {
      output_type: 'error',
      ename: String(output.ename),
      evalue: String(output.evalue),
      traceback
    };
  }
  return display(bundleOf(output), output.metadata, mark);
}

function display(data: IMimeBundle, metadata: unknown, mark: Mark): IOutput {
  return {
    output_type: 'display_data',
    data,
    metadata: {
      ...(metadata as PartialJSONObject | undefined),
      [METADATA_KEY]: { ...mark }
    }
  };
}

function bundleOf(output: IOutput): IMimeBundle {
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
