import type { TranslationBundle } from '@jupyterlab/translation';

import type { Trace } from '../../api/types';
import { duration, plain } from '../../words';
import { partClass } from './kinds';

interface PartOfTime {
  part: string;
  seconds: number;
}

/** All parts of the wall time side by side, and what to change. */
export function Parts(props: {
  trace: Trace;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { trace, trans } = props;
  const parts = trace.breakdown ?? [];
  const whole = parts.reduce((sum, one) => sum + one.seconds, 0);
  if (whole <= 0) {
    return null;
  }
  return (
    <section
      className="qhub-Parts"
      aria-label={trans.__('Where the time went')}
    >
      {trace.advice ? (
        <p className="qhub-Parts-advice">{plain(trace.advice, 500)}</p>
      ) : null}
      <Strip parts={parts} whole={whole} />
      <ul className="qhub-Parts-legend">
        {parts.map(one => (
          <li key={one.part}>
            <span
              className={`qhub-Parts-mark ${partClass(one.part)}`}
              aria-hidden="true"
            />
            {plain(one.part, 40)}{' '}
            <span className="qhub-Parts-share">
              {duration(one.seconds)} ({percentWords(one.seconds / whole)})
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function percentWords(share: number): string {
  return share > 0 && share < 0.01 ? '< 1 %' : `${Math.round(100 * share)} %`;
}

/** Its parts one after the other, as a share of `whole` seconds. */
export function Strip(props: {
  parts: readonly PartOfTime[];
  whole: number;
  /** Of the width that there is: as long as it lasted beside others. */
  share?: number;
}): JSX.Element {
  const { parts, whole, share = 1 } = props;
  return (
    <div
      className="qhub-Parts-strip"
      aria-hidden="true"
      style={{ width: `${100 * share}%` }}
    >
      {parts.map(({ part, seconds }) => (
        <span
          key={part}
          className={partClass(part)}
          style={{ width: `${(100 * seconds) / whole}%` }}
          title={`${plain(part, 40)}: ${duration(seconds)}`}
        />
      ))}
    </div>
  );
}
