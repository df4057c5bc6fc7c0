import { useSyncExternalStore } from 'react';

import { clock } from '../clock';
import { duration } from '../words';

/** How long ago `since` (seconds since 1970, UTC) is; it grows by itself, and nothing around it is drawn anew. */
export function Age(props: { since: number }): JSX.Element {
  const now = useSyncExternalStore(clock.subscribe, clock.now);
  return (
    <span className="qhub-Age">
      {duration(Math.max(0, Math.floor(now - props.since)))}
    </span>
  );
}
