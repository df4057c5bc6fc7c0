import type { TranslationBundle } from '@jupyterlab/translation';
import { useEffect } from 'react';

import type { Estimate, Task } from '../api/types';
import type { Estimates } from '../model/estimates';
import { moment, plain } from '../words';
import { Age } from './age';
import { useSignal } from './signal';

/** Who walks through a list by keys does not ask the site about every job on the way. */
export const SETTLE_MS = 400;

/** When a job that waits may start: asked for when this is shown, and again only by its button, since it costs the site. */
export function Start(props: {
  id: string;
  estimates: Estimates;
  /** What is said already about why it waits. */
  said?: string;
  trans: TranslationBundle;
}): JSX.Element {
  const { id, estimates, said, trans } = props;
  useSignal(estimates.changed);
  useEffect(() => {
    const timer = setTimeout(() => void estimates.ask(id), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [estimates, id]);
  const { answer, trouble, pending } = estimates.find(id) ?? {
    answer: null,
    trouble: '',
    pending: true
  };
  return (
    <div className="qhub-Start" aria-busy={pending}>
      {answer === null && trouble === '' && (
        <p className="qhub-quiet">{trans.__('Asking when it starts …')}</p>
      )}
      {answer !== null && (
        <>
          <p>{startWords(answer, trans)}</p>
          {answer.why !== said && (
            <p className="qhub-quiet">{plain(answer.why, 500)}</p>
          )}
        </>
      )}
      {trouble !== '' && <p role="alert">{plain(trouble, 300)}</p>}
      <p className="qhub-quiet">
        {answer !== null && (
          <>
            {trans.__('Asked')} <Age since={answer.as_of} />{' '}
            {trans.__('ago.')}{' '}
          </>
        )}
        {(answer !== null || trouble !== '') && (
          <button
            type="button"
            className="qhub-LinkButton"
            disabled={pending}
            onClick={() => void estimates.ask(id)}
          >
            {trans.__('Ask again')}
          </button>
        )}
      </p>
    </div>
  );
}

/** When a quantum task is expected to begin, by the broker's word. */
export function beginWords(
  { earliest, latest }: Pick<Task, 'earliest' | 'latest'>,
  trans: TranslationBundle
): string {
  if ((earliest ?? null) === null) {
    return trans.__('Nobody can say when it begins.');
  }
  return (latest ?? null) === null
    ? trans.__('It begins at %1 at the earliest.', moment(earliest))
    : trans.__(
        'It is expected to begin between %1 and %2.',
        moment(earliest),
        moment(latest)
      );
}

export function startWords(
  { earliest, latest, as_of }: Estimate,
  trans: TranslationBundle
): string {
  if (earliest === null) {
    return trans.__('Nobody can say when it starts.');
  }
  if (latest === null) {
    return trans.__('It may start at any time; no latest moment can be told.');
  }
  if (latest <= as_of + 1) {
    return trans.__('It may start at any moment.');
  }
  if (latest <= earliest + 1) {
    return trans.__('It is planned to start at %1.', moment(earliest));
  }
  return earliest <= as_of + 1
    ? trans.__('It starts by %1 at the latest.', moment(latest))
    : trans.__(
        'It starts between %1 and %2.',
        moment(earliest),
        moment(latest)
      );
}
