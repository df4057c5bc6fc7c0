import type { TranslationBundle } from '@jupyterlab/translation';
import {
  LabIcon,
  redoIcon,
  refreshIcon,
  runIcon,
  stopIcon
} from '@jupyterlab/ui-components';
import { memo, MouseEvent } from 'react';

import type { Summary, Verb } from '../../api/types';
import { pauseIcon } from '../../icon';
import { allows, isRunning } from '../../model/verbs';
import { CommandIDs } from '../../tokens';
import {
  duration,
  isFinal,
  isWaiting,
  moment,
  plain,
  stateTone,
  stateWord
} from '../../words';
import { Age } from '../age';
import { StateSign } from '../state';
import type { Run } from './actions';

/** In pixels, borders included; the same as `--qhub-row-height` in sidebar.css. */
export const ROW_HEIGHT = 66;

export interface JobRowProps {
  job: Summary;
  index: number;
  selected: boolean;
  active: boolean;
  pending: Verb | undefined;
  writable: boolean;
  trans: TranslationBundle;
  run: Run;
  onPress: (id: string, event: MouseEvent) => void;
}

export const JobRow = memo(function JobRow(props: JobRowProps) {
  const { job, trans, active } = props;
  const name = plain(job.name, 200);
  return (
    <div
      role="row"
      className={`qhub-JobRow qhub-tone-${stateTone(job.state)}`}
      aria-rowindex={props.index + 1}
      aria-selected={props.selected}
      aria-busy={props.pending !== undefined}
      data-job={job.id}
      tabIndex={active ? 0 : -1}
      style={{ top: props.index * ROW_HEIGHT }}
      onMouseDown={event => props.onPress(job.id, event)}
      onContextMenu={event => props.onPress(job.id, event)}
      onDoubleClick={() => props.run(CommandIDs.openJob, [job.id])}
    >
      <div role="gridcell" className="qhub-JobRow-facts">
        <div className="qhub-JobRow-line">
          <StateSign state={job.state} />
          <span className="qhub-JobRow-name" dir="auto" title={name}>
            {name}
          </span>
          <code className="qhub-JobRow-id">{job.short_id}</code>
        </div>
        <div className="qhub-JobRow-line qhub-JobRow-second">
          <Now job={job} trans={trans} />
          <Why job={job} trans={trans} />
        </div>
        <div className="qhub-JobRow-line qhub-JobRow-second">
          <span className="qhub-Pill">{job.tier}</span>
          <span className="qhub-JobRow-device">{job.device}</span>
          <Progress job={job} trans={trans} />
          <When job={job} trans={trans} />
        </div>
      </div>
      <div
        role="gridcell"
        className="qhub-JobRow-actions"
        onDoubleClick={event => event.stopPropagation()}
      >
        {props.writable &&
          buttons(trans)
            .filter(({ verb }) => allows(verb, job.state))
            .map(({ verb, icon, label }) => (
              <button
                key={verb}
                className="qhub-IconButton"
                title={label}
                aria-label={trans.__('%1: %2', label, name)}
                tabIndex={active ? 0 : -1}
                onMouseDown={event => event.stopPropagation()}
                onClick={() => props.run(CommandIDs[verb], [job.id])}
              >
                <icon.react tag="span" height="14px" width="14px" />
              </button>
            ))}
      </div>
    </div>
  );
});

export function buttons(
  trans: TranslationBundle
): { verb: Verb; icon: LabIcon; label: string }[] {
  return [
    { verb: 'hold', icon: pauseIcon, label: trans.__('Hold') },
    { verb: 'release', icon: runIcon, label: trans.__('Release') },
    { verb: 'requeue', icon: refreshIcon, label: trans.__('Requeue') },
    { verb: 'rerun', icon: redoIcon, label: trans.__('Run again') },
    { verb: 'cancel', icon: stopIcon, label: trans.__('Cancel') }
  ];
}

interface PartProps {
  job: Summary;
  trans: TranslationBundle;
}

/** The state, and for how long: `running 38 s`. */
function Now({ job, trans }: PartProps): JSX.Element {
  const { state } = job;
  const began = isWaiting(state)
    ? (job.submitted_at ?? job.created_at)
    : isRunning(state)
      ? job.running_at
      : null;
  return (
    <span className="qhub-JobRow-now">
      <span className="qhub-JobRow-state">{stateWord(state, trans)}</span>
      {began !== null && (
        <>
          {' '}
          <Age since={began} />
        </>
      )}
      {isFinal(state) && job.running_at !== null && job.ended_at !== null && (
        <>
          {' '}
          {state === 'completed'
            ? trans.__('in %1', duration(job.ended_at - job.running_at))
            : trans.__('after %1', duration(job.ended_at - job.running_at))}
        </>
      )}
    </span>
  );
}

/** Why it waits, where it runs, why it ended as it did, or what makes its results doubtful. */
function Why({ job, trans }: PartProps): JSX.Element | null {
  const text = isWaiting(job.state)
    ? job.reason
    : isRunning(job.state)
      ? phaseWords(job, trans)
      : job.message;
  if (!text) {
    return null;
  }
  const line = plain(text, 300);
  return (
    <span className="qhub-JobRow-why" title={line}>
      {line}
    </span>
  );
}

/** The runner's own words tell more of a wait at a device than that it is one. */
function phaseWords(
  { phase, phase_text }: Summary,
  trans: TranslationBundle
): string {
  switch (phase) {
    case 'node':
      return trans.__('on the node');
    case 'device':
      return phase_text || trans.__('waiting for the device');
    default:
      return phase_text || phase;
  }
}

/** How many elements of an array are done. */
function Progress({ job, trans }: PartProps): JSX.Element | null {
  if (job.size === null || job.size === 0) {
    return null;
  }
  const done = job.done ?? 0;
  return (
    <span className="qhub-JobRow-progress">
      {!isFinal(job.state) && (
        <span className="qhub-Bar" aria-hidden="true">
          <span style={{ width: `${(100 * done) / job.size}%` }} />
        </span>
      )}
      {trans.__('%1 of %2', done, job.size)}
    </span>
  );
}

/** When it ended or starts, or since when nothing was heard of it. */
function When({ job, trans }: PartProps): JSX.Element | null {
  if (job.stale_since !== null && !isFinal(job.state)) {
    return (
      <span className="qhub-JobRow-when">
        {trans.__('stale since %1', moment(job.stale_since))}
      </span>
    );
  }
  if (isWaiting(job.state) && job.starts_by !== null) {
    const at = moment(job.starts_by);
    return (
      <span
        className="qhub-JobRow-when"
        title={trans.__(
          'Starts by %1 at the latest: if all that is ahead of it uses its whole wall time',
          at
        )}
      >
        {trans.__('by %1', at)}
      </span>
    );
  }
  if (job.ended_at === null) {
    return null;
  }
  const ended = moment(job.ended_at);
  return (
    <time className="qhub-JobRow-when" title={trans.__('Ended %1', ended)}>
      {ended.split(' ')[0]}
    </time>
  );
}
