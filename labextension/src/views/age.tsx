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

/** How long it is until `at`. */
export function Until(props: { at: number }): JSX.Element {
  const now = useSyncExternalStore(clock.subscribe, clock.now);
  return <Seconds count={props.at - now} />;
}

function Seconds(props: { count: number; coarse?: boolean }): JSX.Element {
  const words = duration(Math.max(0, Math.floor(props.count)));
  const told = props.coarse ? words.split(' ').slice(0, 2).join(' ') : words;
  return <span className="qhub-Age">{told}</span>;
}
