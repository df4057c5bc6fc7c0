import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { Fragment } from 'react';

import type { Job, Verb } from '../api/types';
import { CommandIDs } from '../tokens';

/** Buttons for what may be done with a job now. */
export function Actions(props: {
  job: Job;
  commands: CommandRegistry;
  trans: TranslationBundle;
  /** Whether to open the job is one of them. */
  open?: boolean;
  /** Whether to run it again with changes is another. */
  changes?: boolean;
}): JSX.Element {
  const { job, commands, trans } = props;
  const words: Record<Verb, string> = {
    cancel: trans.__('Cancel'),
    hold: trans.__('Hold'),
    release: trans.__('Release'),
    requeue: trans.__('Requeue'),
    rerun: trans.__('Run again')
  };
  const open = props.open !== false && commands.hasCommand(CommandIDs.openJob);
  const verbs = job.actions.filter(
    verb =>
      commands.hasCommand(CommandIDs[verb]) &&
      commands.isEnabled(CommandIDs[verb], { ids: [job.id] })
  );
  return (
    <div className="qhub-Actions">
      {open && (
        <button
          type="button"
          onClick={() =>
            void commands.execute(CommandIDs.openJob, { id: job.id })
          }
        >
          {trans.__('Open')}
        </button>
      )}
      {verbs.map(verb => (
        <Fragment key={verb}>
          <button
            type="button"
            data-verb={verb}
            onClick={() =>
              void commands.execute(CommandIDs[verb], { ids: [job.id] })
            }
          >
            {words[verb]}
          </button>
          {verb === 'rerun' &&
            props.changes === true &&
            commands.hasCommand(CommandIDs.rerunWith) && (
              <button
                type="button"
                onClick={() =>
                  void commands.execute(CommandIDs.rerunWith, { ids: [job.id] })
                }
              >
                {trans.__('Run again with…')}
              </button>
            )}
        </Fragment>
      ))}
    </div>
  );
}
