import type { TranslationBundle } from '@jupyterlab/translation';
import { useSyncExternalStore } from 'react';

import type { Span, Trace } from '../../api/types';
import { clock } from '../../clock';
import { duration, moment, plain } from '../../words';
import { Answer } from './answer';
import type { JobContext } from './context';
import { Tasks } from './tasks';

const KINDS = [
  'capture',
  'submit',
  'queue',
  'start',
  'classical',
  'transpile',
  'transport',
  'quantum',
  'return',
  'element'
];

/** Where the time of a job went: one row per span, one axis for all. */
export function Timeline(props: { context: JobContext }): JSX.Element {
  const { facets, trans } = props.context;
  return (
    <>
      <Answer facet={facets.trace} trans={trans}>
        {trace => <Waterfall trace={trace} trans={trans} />}
      </Answer>
      <Tasks context={props.context} />
    </>
  );
}

export function Waterfall(props: {
  trace: Trace;
  trans: TranslationBundle;
}): JSX.Element {
  const { trace, trans } = props;
  const ticking = useSyncExternalStore(clock.subscribe, clock.now);
  const now = trace.end ?? ticking;
  if (trace.begin === null || trace.spans.length === 0) {
    return (
      <p className="qhub-Job-empty">
        {plain(trace.note, 500) ||
          trans.__('Nothing is known of its times yet.')}
      </p>
    );
  }
  const begin = trace.begin;
  const whole = Math.max(now - begin, 0.001);
  const several = trace.spans.some(span => span.attempt > 1);
  return (
    <>
      <table className="qhub-Timeline">
        <caption>
          {trans.__('From %1: %2 in all', moment(begin), duration(now - begin))}
        </caption>
        <thead>
          <tr>
            <th scope="col">{trans.__('Span')}</th>
            <th scope="col">
              <span className="qhub-unseen">{trans.__('Kind')}</span>
              <Axis whole={whole} />
            </th>
            <th scope="col" className="qhub-number">
              {trans.__('Took')}
            </th>
          </tr>
        </thead>
        <tbody>
          {trace.spans.map((span, index) => (
            <Row
              key={index}
              span={span}
              begin={begin}
              whole={whole}
              now={now}
              attempt={several ? span.attempt : null}
              trans={trans}
            />
          ))}
        </tbody>
      </table>
      {trace.note !== '' && (
        <p className="qhub-Job-hint">{plain(trace.note, 500)}</p>
      )}
    </>
  );
}

function Row(props: {
  span: Span;
  begin: number;
  whole: number;
  now: number;
  attempt: number | null;
  trans: TranslationBundle;
}): JSX.Element {
  const { span, begin, whole, now, attempt, trans } = props;
  const end = span.end ?? now;
  const percent = (seconds: number): string =>
    `${Math.min(100, Math.max(0, (100 * seconds) / whole)).toFixed(3)}%`;
  const kind = KINDS.includes(span.kind) ? span.kind : 'other';
  return (
    <tr>
      <th scope="row">
        {plain(span.name, 100)}
        {attempt !== null && (
          <span className="qhub-Timeline-attempt">
            {trans.__('attempt %1', attempt)}
          </span>
        )}
      </th>
      <td className="qhub-Timeline-lane">
        <span
          className={`qhub-Timeline-bar qhub-kind-${kind}`}
          data-open={span.end === null}
          style={{
            left: percent(span.begin - begin),
            width: percent(end - span.begin)
          }}
          title={trans.__(
            '%1: from %2, %3',
            plain(span.kind, 40),
            moment(span.begin),
            duration(end - span.begin)
          )}
        >
          <span className="qhub-unseen">{plain(span.kind, 40)}</span>
        </span>
      </td>
      <td className="qhub-number">{duration(end - span.begin)}</td>
    </tr>
  );
}

/** Moments at round distances: about five of them. */
function Axis(props: { whole: number }): JSX.Element {
  const { whole } = props;
  const step = roundStep(whole / 5);
  const count = Math.floor((whole * 0.96) / step) + 1;
  const ticks = Array.from({ length: count }, (_, index) => index * step);
  return (
    <span className="qhub-Timeline-axis" aria-hidden="true">
      {ticks.map(at => (
        <span key={at} style={{ left: `${(100 * at) / whole}%` }}>
          {duration(at)}
        </span>
      ))}
    </span>
  );
}

/** The next of 1, 2, 5, 10, 15, 30 (and so on) units that is not under `seconds`. */
export function roundStep(seconds: number): number {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
  const longer = [60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200];
  const fits = [...steps, ...longer].find(step => step >= seconds);
  return fits ?? Math.ceil(seconds / 86_400) * 86_400;
}
