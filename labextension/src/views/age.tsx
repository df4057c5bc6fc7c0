import type { TranslationBundle } from '@jupyterlab/translation';
import { useSyncExternalStore } from 'react';

import { clock } from '../clock';
import { duration } from '../words';

/** How long ago `since` (seconds since 1970, UTC) is; it grows by itself, and nothing around it is drawn anew. */
export function Age(props: {
  since: number;
  /** In its largest unit only: `41 d`. */
  coarse?: boolean;
}): JSX.Element {
  const now = useSyncExternalStore(clock.subscribe, clock.now);
  return <Seconds count={now - props.since} coarse={props.coarse} />;
}

/** `in 2 h 05 min`; once `at` has come, that it is due. */
export function Until(props: {
  at: number;
  trans: TranslationBundle;
}): JSX.Element {
  const now = useSyncExternalStore(clock.subscribe, clock.now);
  return props.at <= now ? (
    <>{props.trans.__('due now')}</>
  ) : (
    <>
      {props.trans.__('in')} <Seconds count={props.at - now} />
    </>
  );
}

function Seconds(props: { count: number; coarse?: boolean }): JSX.Element {
  const words = duration(Math.max(0, Math.floor(props.count)));
  const told = props.coarse ? words.split(' ').slice(0, 2).join(' ') : words;
  return <span className="qhub-Age">{told}</span>;
}
