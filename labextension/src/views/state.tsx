import type { TranslationBundle } from '@jupyterlab/translation';

import type { State } from '../api/types';
import { stateTone, stateWord } from '../words';

/** The strokes of each sign on a grid of 16 by 16; the word stands beside it, so it need not be named. */
const SIGNS: Record<State, JSX.Element> = {
  created: <circle cx="8" cy="8" r="2.2" className="qhub-solid" />,
  submitted: <path d="M8 12V4.5M4.8 7.5 8 4.3l3.2 3.2" />,
  queued: <path d="M8 4.4V8l2.4 1.8" />,
  held: <path d="M6.2 5v6M9.8 5v6" />,
  starting: <path d="M6.3 4.9 11.2 8l-4.9 3.1z" />,
  running: <path d="M6.3 4.9 11.2 8l-4.9 3.1z" className="qhub-solid" />,
  finishing: <path d="M5 5 8.4 8 5 11zM11 5v6" className="qhub-solid" />,
  completed: <path d="m4.8 8.3 2.2 2.3 4.2-4.9" />,
  failed: <path d="m5.5 5.5 5 5m0-5-5 5" />,
  timed_out: (
    <path d="M5.5 4.4h5M5.5 11.6h5M6 4.6c0 2.6 4 4.2 4 6.8M10 4.6c0 2.6-4 4.2-4 6.8" />
  ),
  cancelled: <path d="M3.6 12.4 12.4 3.6" />,
  lost: <path d="M6.1 6.4a1.9 1.9 0 1 1 2.7 1.7c-.6.3-.8.7-.8 1.3m0 1.6v.3" />
};

/** The sign of a state without its word; whoever draws it says the word too. */
export function StateSign(props: { state: State }): JSX.Element {
  return (
    <svg
      className={`qhub-StateSign qhub-tone-${stateTone(props.state)}`}
      data-state={props.state}
      viewBox="0 0 16 16"
      width="16"
      height="16"
      aria-hidden="true"
      focusable="false"
    >
      <circle className="qhub-StateSign-ring" cx="8" cy="8" r="6.6" />
      {SIGNS[props.state] ?? SIGNS.lost}
    </svg>
  );
}

/** Sign and word: a state is never told by colour alone. */
export function StateWord(props: {
  state: State;
  trans: TranslationBundle;
}): JSX.Element {
  return (
    <span className="qhub-StateWord">
      <StateSign state={props.state} />
      <span>{stateWord(props.state, props.trans)}</span>
    </span>
  );
}
