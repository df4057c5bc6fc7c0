import type { IOutput } from '@jupyterlab/nbformat';
import { describe, expect, it } from 'vitest';

import { job, record } from '../../__tests__/records';
import { CARD_MIME_TYPE, JobOutputs, JobRecord } from '../../api/types';
import { heldOf, planOutputs, settle } from '../plan';

const printed: IOutput = { output_type: 'stream', name: 'stdout', text: 'hi' };
const error: IOutput = {
  output_type: 'error',
  ename: 'E',
  evalue: 'v',
  traceback: ['a', 'b']
};
const ended = job({
  state: 'completed',
  ended_at: 1_790_000_100,
  lines: [['state', '✓ <completed>']]
});

function card(saved: JobRecord = record(), home = true): IOutput {
  return {
    output_type: 'execute_result',
    execution_count: 3,
    data: { [CARD_MIME_TYPE]: saved as never, 'text/plain': 'Job' },
    metadata: home ? { qhub: { job: saved.id, home: true } } : {}
  };
}

function written(attempt = 1, ...outputs: IOutput[]): JobOutputs {
  return { attempt, seq: 1, final: true, outputs };
}

const texts = (outputs: IOutput[]) =>
  outputs.map(output => (output.data as never)?.['text/plain'] ?? output.text);

describe('planOutputs', () => {
  it('brings the card up to date and puts the outputs under it, marked as theirs', () => {
    const plan = planOutputs([card(), printed], ended, written(1, printed));
    expect(plan).toHaveLength(3);
    expect(plan[0]).toMatchObject({
      output_type: 'execute_result',
      execution_count: 3,
      data: {
        [CARD_MIME_TYPE]: { id: ended.id, state: 'completed' },
        'text/plain': 'Job 7qm3xd  GHZ parity\n  state  ✓ <completed>'
      },
      metadata: {
        qhub: { job: ended.id, home: true, attempt: 1, outputs: 1 }
      }
    });
    expect((plan[0].data as never)['text/html']).toContain('&lt;completed&gt;');
    expect(JSON.stringify(plan[0])).not.toContain(ended.folder);
    expect(plan[1]).toEqual({
      output_type: 'display_data',
      data: { 'text/plain': 'hi' },
      metadata: { qhub: { job: ended.id, attempt: 1 } }
    }); // else a notebook would join it with the one that follows
    expect(plan[2]).toBe(printed);
  });

  it('changes nothing the second time', () => {
    const once = planOutputs([card()], ended, written(1, printed));
    expect(planOutputs(once, ended, written(1, printed))).toEqual(once);
    expect(heldOf(once, ended)).toEqual({ cards: true, outputs: true });
  });

  it('puts a new attempt in the place of the old one, and mends a doubled one', () => {
    const plot: IOutput = {
      output_type: 'display_data',
      data: { 'text/plain': 'plot' },
      metadata: {}
    };
    const once = planOutputs([card()], ended, written(1, printed, plot));
    const doubled = [...once, ...once.slice(2), error];
    const again = planOutputs(
      doubled,
      ended,
      written(2, { ...printed, text: 'second' })
    );
    expect(texts(again).slice(1)).toEqual(['second', undefined]);
    expect(again[2]).toBe(error); // that of somebody else
    expect(planOutputs(again, ended, written(3))).toHaveLength(2);
    expect(heldOf(doubled, { ...ended, ended_at: 7 }).cards).toBe(false);
  });

  it('keeps the cards of several tiers apart', () => {
    const other = record({ id: '01kayt4w2-aaaaaa' });
    const before = [card(), card(other)];
    const first = planOutputs(before, ended, written(1, printed));
    const both = planOutputs(
      first,
      job({ id: other.id, state: 'failed' }),
      written(1, { ...printed, text: 'other' })
    );
    expect(texts(both).map(text => String(text).slice(0, 5))).toEqual([
      'Job 7',
      'hi',
      'Job a',
      'other'
    ]);
  });

  it('leaves outputs alone under a card that does not wait for them, and where none are to be written', () => {
    const shown = planOutputs(
      [card(record(), false)],
      ended,
      written(1, printed)
    );
    expect(shown).toHaveLength(1);
    expect(heldOf(shown, ended)).toEqual({ cards: true, outputs: true });
    const once = planOutputs([card()], ended, written(1, printed));
    expect(planOutputs(once, ended, null)).toEqual(once);
  });

  it('keeps streams and errors as what they are, so that every reader shows them as if the cell had run here', () => {
    const plan = planOutputs(
      [card()],
      ended,
      written(
        1,
        error,
        { output_type: 'stream', name: 'stderr', text: ['w', '!'] },
        printed,
        { ...printed, text: ' and ' },
        printed
      )
    );
    expect(plan.slice(1)).toEqual([
      error,
      { output_type: 'stream', name: 'stderr', text: 'w!' },
      { ...printed, text: 'hi and hi' }
    ]);
    const again = planOutputs(plan, ended, written(2, printed));
    expect(again.slice(1)).toEqual([printed]);
  });

  it('takes nothing for its own that another has put under the card', () => {
    const foreign = { ...card(record({ id: '01kayt4w2-aaaaaa' }), false) };
    const [home] = planOutputs([card()], ended, written(1, printed, error));
    const edited = [home, printed, foreign, error];
    const again = planOutputs(edited, ended, written(2));
    expect(again.slice(1)).toEqual([foreign, error]);
  });

  it('lets no output of a job pass for a card or for the home of one', () => {
    const hostile = { ...card(), metadata: { qhub: { job: 'x', home: true } } };
    const plan = planOutputs([card()], ended, written(1, hostile));
    expect(plan[1].metadata).toEqual({ qhub: { job: ended.id, attempt: 1 } });
    expect(planOutputs(plan, ended, written(1, hostile))).toEqual(plan);
  });

  it('leaves widgets out whose model is gone, where something else is shown', () => {
    const widget = 'application/vnd.jupyter.widget-view+json';
    const [, shown] = planOutputs(
      [card()],
      ended,
      written(1, {
        output_type: 'display_data',
        data: { [widget]: {}, 'text/plain': 'Slider()' },
        metadata: {}
      })
    );
    expect(shown.data).toEqual({ 'text/plain': 'Slider()' });
  });
});

describe('settle', () => {
  it.each([
    [' 10%\r 50%\r100%\n', '100%\n'],
    ['long line\rshort', 'shortline'],
    ['windows\r\nlines\r\n', 'windows\nlines\n'],
    ['ab\b\bx', 'x'],
    ['\b\bx', 'x']
  ])('leaves %j as a terminal would', (text, left) => {
    expect(settle(text)).toBe(left);
  });
});
