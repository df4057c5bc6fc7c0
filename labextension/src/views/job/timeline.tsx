import type { TranslationBundle } from '@jupyterlab/translation';
import { useSyncExternalStore } from 'react';

import type { Span, Trace } from '../../api/types';
import { clock } from '../../clock';
import { duration, moment, plain } from '../../words';
import { NumberHead } from '../numberhead';
import { Plot, Zoomable } from '../plot';
import { Answer } from './answer';
import { Beside } from './beside';
import type { JobContext } from './context';
import { kindClass, kindWord } from './kinds';
import { Parts } from './parts';
import { Profile } from './profile';
import { Tasks } from './tasks';

const INDENT_PX = 12;

/** Where the time of a job went: its parts, and one row per span on one axis for all. */
export function Timeline(props: { context: JobContext }): JSX.Element {
  const { facets, rendermime, trans, show } = props.context;
  return (
    <>
      <Answer facet={facets.trace} trans={trans}>
        {trace => (
          <>
            <Parts trace={trace} trans={trans} />
            <Waterfall trace={trace} trans={trans} show={show} />
            <Zoomable rendermime={rendermime} trans={trans}>
              {() => (
                <Answer facet={facets.figure} trans={trans}>
                  {figure => <Plot figure={figure} rendermime={rendermime} />}
                </Answer>
              )}
            </Zoomable>
            <Profile trace={trace} trans={trans} />
          </>
        )}
      </Answer>
      <Beside context={props.context} />
      <Tasks context={props.context} />
    </>
  );
}

function Waterfall(props: {
  trace: Trace;
  trans: TranslationBundle;
  show?: (tab: string) => void;
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
          {trace.end === null
            ? trans.__(
                'From %1: %2 so far',
                moment(begin),
                duration(now - begin)
              )
            : trans.__(
                'From %1: %2 in all',
                moment(begin),
                duration(now - begin)
              )}
        </caption>
        <thead>
          <tr>
            <th scope="col">{trans.__('Span')}</th>
            <th scope="col">
              <span className="qhub-unseen">{trans.__('Kind')}</span>
              <Axis whole={whole} />
            </th>
            <NumberHead>{trans.__('Took')}</NumberHead>
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
              attempt={several && span.attempt > 0 ? span.attempt : null}
              trans={trans}
              show={props.show}
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
  show?: (tab: string) => void;
}): JSX.Element {
  const { span, begin, whole, now, attempt, trans, show } = props;
  const end = span.end ?? now;
  const count = span.count ?? 1;
  const took = span.end === null ? end - span.begin : (span.busy_s ?? end - span.begin); // prettier-ignore
  const percent = (seconds: number): string =>
    `${Math.min(100, Math.max(0, (100 * seconds) / whole)).toFixed(3)}%`;
  const segments =
    span.end === null || !span.segments?.length
      ? [[span.begin, end]]
      : span.segments;
  const words = [
    trans.__(
      '%1: from %2, %3',
      kindWord(span.kind),
      moment(span.begin),
      duration(took)
    ),
    count > 1
      ? trans.__('%1 spans, the longest %2', count, duration(span.longest_s ?? 0)) // prettier-ignore
      : '',
    plain(span.detail ?? '', 200)
  ].filter(Boolean);
  const name = plain(span.name, 100);
  return (
    <tr>
      <th
        scope="row"
        style={{ paddingLeft: `${INDENT_PX * Math.min(span.depth ?? 0, 8)}px` }}
      >
        {show && span.log_line ? (
          <button
            type="button"
            className="qhub-Timeline-log"
            title={trans.__(
              'The log had %1 lines when it began',
              span.log_line
            )}
            onClick={() => show('log')}
          >
            {name}
          </button>
        ) : (
          name
        )}
        {count > 1 && <span className="qhub-Timeline-attempt">× {count}</span>}
        {attempt !== null && (
          <span className="qhub-Timeline-attempt">
            {trans.__('attempt %1', attempt)}
          </span>
        )}
      </th>
      <td className="qhub-Timeline-lane" title={words.join('\n')}>
        {segments.map(([from, to], index) => (
          <span
            key={index}
            className={`qhub-Timeline-bar ${kindClass(span.kind)}`}
            data-open={span.end === null}
            data-many={segments.length > 1}
            style={{ left: percent(from - begin), width: percent(to - from) }}
          />
        ))}
        <span className="qhub-unseen">{kindWord(span.kind)}</span>
      </td>
      <td className="qhub-number">{duration(took)}</td>
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
function roundStep(seconds: number): number {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30];
  const longer = [60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200];
  const fits = [...steps, ...longer].find(step => step >= seconds);
  return fits ?? Math.ceil(seconds / 86_400) * 86_400;
}
