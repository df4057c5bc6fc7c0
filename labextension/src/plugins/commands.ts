import {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, showErrorMessage } from '@jupyterlab/apputils';
import {
  ITranslator,
  nullTranslator,
  TranslationBundle
} from '@jupyterlab/translation';
import {
  LabIcon,
  launchIcon,
  redoIcon,
  refreshIcon,
  runIcon,
  stopIcon
} from '@jupyterlab/ui-components';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { Another, Verb } from '../api/types';
import { pauseIcon } from '../icon';
import { allows, isRunning } from '../model/verbs';
import { CommandIDs, IJobsModel, IListing } from '../tokens';
import { shortId } from '../words';
import { askAnother } from '../views/another';
import { ask, tellRefusals } from '../views/refusals';
import { troubleWords } from '../views/trouble';

const ARGS = {
  type: 'object',
  properties: {
    ids: {
      type: 'array',
      items: { type: 'string' },
      description: 'Ids of jobs; without them, those selected in the sidebar.'
    },
    asked: {
      type: 'boolean',
      description: 'Whether the user has been asked already.'
    }
  }
} as const;

/** The verbs on jobs as commands, for palette, context menu, cards and whoever else. */
export const commandsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'qhub-ext:commands',
  description: 'Cancels, holds, releases, requeues and reruns jobs.',
  autoStart: true,
  requires: [IJobsModel],
  optional: [IListing, ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    model: IJobsModel,
    listing: IListing | null,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load('qhub_ext');
    const category = trans.__('Quantum Jobs');
    const { commands } = app;
    const chosen = (args: ReadonlyPartialJSONObject): string[] =>
      Array.isArray(args.ids)
        ? args.ids.map(String)
        : (listing?.selection.map(job => job.id) ?? []);

    /** Of a job that is not listed, such as one element of an array, the server knows more. */
    const ableTo = (verb: Verb, args: ReadonlyPartialJSONObject): string[] =>
      chosen(args).filter(id => {
        const job = model.find(id);
        return job === undefined || allows(verb, job.state);
      });

    for (const face of faces(trans)) {
      const { verb } = face;
      const able = (args: ReadonlyPartialJSONObject) => ableTo(verb, args);
      commands.addCommand(CommandIDs[verb], {
        label: args => face.label(Math.max(1, able(args).length)),
        icon: face.icon,
        isEnabled: args => model.writable && able(args).length > 0,
        isVisible: () => model.writable,
        execute: async args => {
          const ids = able(args);
          if (ids.length > 0 && (args.asked || (await sure(verb, ids)))) {
            await perform(verb, ids, face.failure);
          }
        },
        describedBy: { args: ARGS }
      });
      palette?.addItem({ command: CommandIDs[verb], category });
    }

    const again = faces(trans).find(({ verb }) => verb === 'rerun')!;
    commands.addCommand(CommandIDs.rerunWith, {
      label: trans.__('Run Again with Changes…'),
      caption: trans.__(
        'Run again on another tier or device, with another calibration or environment'
      ),
      isEnabled: args => model.writable && ableTo('rerun', args).length > 0,
      isVisible: () => model.writable,
      execute: async args => {
        const ids = ableTo('rerun', args);
        const jobs = ids.flatMap(id => model.find(id) ?? []);
        const another =
          ids.length > 0 && (await askAnother(jobs, model, trans));
        if (another) {
          await perform('rerun', ids, again.failure, another);
        }
      },
      describedBy: { args: ARGS }
    });
    palette?.addItem({ command: CommandIDs.rerunWith, category });

    commands.addCommand(CommandIDs.openSelected, {
      label: trans.__('Open Job'),
      icon: launchIcon,
      isEnabled: () =>
        commands.hasCommand(CommandIDs.openJob) && chosen({}).length > 0,
      execute: async () => {
        for (const id of chosen({})) {
          await commands.execute(CommandIDs.openJob, { id });
        }
      },
      describedBy: { args: { type: 'object', properties: {} } }
    });

    async function sure(verb: Verb, ids: readonly string[]): Promise<boolean> {
      const jobs = ids.map(
        id => model.find(id) ?? { id, name: '', state: null }
      );
      const count = jobs.length;
      if (verb === 'cancel') {
        return ask(
          {
            title: trans._n('Cancel this job?', 'Cancel %1 jobs?', count),
            intro: trans.__(
              'What runs is ended, and what waits leaves the queue. Outputs so far are kept.'
            ),
            yes: trans._n('Cancel job', 'Cancel jobs', count)
          },
          jobs,
          trans
        );
      }
      const running = jobs.filter(
        job => job.state !== null && isRunning(job.state)
      );
      if (verb === 'requeue' && running.length > 0) {
        return ask(
          {
            title: trans.__('Requeue what is running?'),
            intro: trans.__(
              'These run now: they are ended and begin anew, as a further attempt of the same job.'
            ),
            yes: trans.__('Requeue')
          },
          running,
          trans
        );
      }
      return true;
    }

    async function perform(
      verb: Verb,
      ids: readonly string[],
      failure: string,
      another: Another = {}
    ): Promise<void> {
      try {
        const refusals = await model.act(verb, ids, another);
        if (refusals.length > 0) {
          const done = ids.length - refusals.length;
          const intro =
            done > 0
              ? trans.__(
                  'Done for %1 of %2. These were refused:',
                  done,
                  ids.length
                )
              : trans._n('It was refused:', 'All were refused:', ids.length);
          await tellRefusals(failure, intro, refusals, trans);
        }
      } catch (error) {
        const which = ids.length === 1 ? ` ${shortId(ids[0])}` : '';
        await showErrorMessage(
          failure + which,
          troubleWords(error as Error, trans)
        );
      }
    }
  }
};

interface Face {
  verb: Verb;
  icon: LabIcon;
  label: (count: number) => string;
  failure: string;
}

function faces(trans: TranslationBundle): Face[] {
  return [
    {
      verb: 'hold',
      icon: pauseIcon,
      label: count => trans._n('Hold Job', 'Hold %1 Jobs', count),
      failure: trans.__('Could not hold')
    },
    {
      verb: 'release',
      icon: runIcon,
      label: count => trans._n('Release Job', 'Release %1 Jobs', count),
      failure: trans.__('Could not release')
    },
    {
      verb: 'requeue',
      icon: refreshIcon,
      label: count => trans._n('Requeue Job', 'Requeue %1 Jobs', count),
      failure: trans.__('Could not requeue')
    },
    {
      verb: 'rerun',
      icon: redoIcon,
      label: count => trans._n('Run Job Again', 'Run %1 Jobs Again', count),
      failure: trans.__('Could not run again')
    },
    {
      verb: 'cancel',
      icon: stopIcon,
      label: count => trans._n('Cancel Job', 'Cancel %1 Jobs', count),
      failure: trans.__('Could not cancel')
    }
  ];
}
