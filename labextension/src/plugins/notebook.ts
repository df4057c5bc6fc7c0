import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  Dialog,
  ICommandPalette,
  IToolbarWidgetRegistry,
  Notification,
  showDialog,
  showErrorMessage
} from '@jupyterlab/apputils';
import { CodeCell } from '@jupyterlab/cells';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import {
  ITranslator,
  nullTranslator,
  TranslationBundle
} from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';

import { ApiError } from '../api/request';
import type { Choice, Tier } from '../api/types';
import { jobsIcon, notebookJobIcon } from '../icon';
import { ChoiceModel } from '../model/choice';
import type { JobsModel } from '../model/jobs';
import { asJob, loadExtension, runInCell } from '../model/runcell';
import { CommandIDs, IJobsModel } from '../tokens';
import { Picker } from '../views/picker';
import { shortId } from '../words';

type Context = NotebookPanel['context'];

const WHERE = {
  type: 'object',
  properties: {
    tier: {
      type: 'string',
      enum: ['local', 'emulation', 'qpu'],
      description: 'The tier; without it, what the notebook has chosen.'
    },
    device: { type: 'string', description: 'The device that it stands for.' }
  }
} as const;

/** What a notebook has of quantum jobs: the choice of tier and device, a cell or all of it as a job. */
export const notebookPlugin: JupyterFrontEndPlugin<void> = {
  id: 'qhub-ext:notebook',
  description:
    'Picks tier and device of a notebook, and runs its cells, or the whole of it, as jobs.',
  autoStart: true,
  requires: [IJobsModel, INotebookTracker],
  optional: [ITranslator, IToolbarWidgetRegistry, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    jobs: JobsModel,
    tracker: INotebookTracker,
    translator: ITranslator | null,
    toolbars: IToolbarWidgetRegistry | null,
    palette: ICommandPalette | null
  ) => {
    const { commands } = app;
    const trans = (translator ?? nullTranslator).load('qhub_ext');
    const choices = new Map<Context, ChoiceModel>();

    /** One for all views of a notebook. */
    const choiceOf = ({ context, sessionContext }: NotebookPanel) => {
      const known = choices.get(context);
      if (known) {
        return known;
      }
      const choice = new ChoiceModel(context.model, sessionContext);
      choice.refused.connect((_, sentence) => {
        Notification.warning(sentence, { autoClose: 8000 });
      });
      // who picks means to use it: the next cell finds the kernel ready, and the choice in it
      choice.picked.connect(() => {
        const kernel = sessionContext.session?.kernel;
        if (kernel && !choice.isLive) {
          void loadExtension(kernel);
        }
      });
      choice.changed.connect(() =>
        commands.notifyCommandChanged(CommandIDs.runCellOn)
      );
      choices.set(context, choice);
      context.disposed.connect(() => {
        choices.delete(context);
        choice.dispose();
      });
      return choice;
    };
    tracker.forEach(choiceOf);
    tracker.widgetAdded.connect((_, panel) => choiceOf(panel));
    toolbars?.addFactory<NotebookPanel>(
      'Notebook',
      'qhub-choice',
      panel => new Picker({ model: choiceOf(panel), jobs, trans })
    );

    const current = (): NotebookPanel | null => tracker.currentWidget;
    const codeCell = (): CodeCell | null => {
      const cell = tracker.activeCell;
      return cell instanceof CodeCell ? cell : null;
    };

    commands.addCommand(CommandIDs.chooseTier, {
      label: args =>
        trans.__('Run Quantum Cells on %1', told(args as Partial<Choice>)),
      isEnabled: () => current() !== null,
      execute: args => choiceOf(current()!).choose(where(args)),
      describedBy: { args: WHERE }
    });

    commands.addCommand(CommandIDs.runCellOn, {
      label: args =>
        args.tier
          ? trans.__('On Tier %1', titleOf(args.tier as Tier, trans))
          : trans.__('Run Selected Cell as a Quantum Job'),
      caption: args => {
        const panel = current();
        const choice = panel && (choiceOf(panel).choice ?? jobs.status?.chosen);
        return choice && !args.tier
          ? trans.__('Run this cell as a job on %1', told(choice))
          : trans.__('Run this cell as a job');
      },
      icon: args => (args.toolbar ? jobsIcon : undefined),
      isEnabled: () => codeCell() !== null,
      isVisible: args => !args.toolbar || codeCell() !== null,
      execute: async args => {
        const [panel, cell] = [current(), codeCell()];
        if (panel && cell) {
          await runCell(panel, cell, where(args));
        }
      },
      describedBy: { args: WHERE }
    });

    commands.addCommand(CommandIDs.submitNotebook, {
      label: trans.__('Submit Notebook as a Quantum Job…'),
      caption: trans.__('Run all of this notebook as one job'),
      icon: args => (args.toolbar ? notebookJobIcon : undefined),
      isEnabled: () => current() !== null && jobs.writable,
      execute: async () => {
        const panel = current();
        if (panel) {
          await submit(panel);
        }
      },
      describedBy: { args: { type: 'object', properties: {} } }
    });

    let writable = jobs.writable;
    const notify = (): void =>
      commands.notifyCommandChanged(CommandIDs.submitNotebook);
    tracker.currentChanged.connect(notify);
    jobs.changed.connect(() => {
      if (writable !== jobs.writable) {
        writable = jobs.writable;
        notify();
      }
    });

    const category = trans.__('Quantum Jobs');
    palette?.addItem({ command: CommandIDs.submitNotebook, category });
    palette?.addItem({ command: CommandIDs.runCellOn, category });
    for (const tier of ['local', 'emulation', 'qpu']) {
      palette?.addItem({
        command: CommandIDs.chooseTier,
        category,
        args: { tier }
      });
    }

    /** Cells on their way to the kernel: a double click on the button means one job. */
    const underWay = new WeakSet<CodeCell>();

    async function runCell(
      panel: NotebookPanel,
      cell: CodeCell,
      choice: Partial<Choice>
    ): Promise<void> {
      const empty = cell.model.sharedModel.getSource().trim() === '';
      if (empty || underWay.has(cell)) {
        return;
      }
      underWay.add(cell);
      try {
        const { sessionContext } = panel;
        await sessionContext.ready;
        const obstacle = await obstacleIn(panel);
        if (obstacle !== null) {
          await showErrorMessage(
            trans.__('This cell cannot be run as a job'),
            obstacle
          );
        } else if (!cell.isDisposed) {
          const source = cell.model.sharedModel.getSource();
          await runInCell(cell, sessionContext, asJob(source, choice));
        }
      } finally {
        underWay.delete(cell);
      }
    }

    /** Why the kernel of this notebook submits no cells; null where it does. */
    async function obstacleIn(panel: NotebookPanel): Promise<string | null> {
      const kernel = panel.sessionContext.session?.kernel;
      if (!kernel) {
        return trans.__(
          'This notebook has no kernel. Choose one in the menu Kernel.'
        );
      }
      if (!choiceOf(panel).isLive && !(await loadExtension(kernel))) {
        return trans.__(
          'The kernel of this notebook cannot load qhub_ext. Install it into the kernel’s environment with: pip install qhub-ext'
        );
      }
      return null;
    }

    async function submit(panel: NotebookPanel): Promise<void> {
      const { context } = panel;
      const choice = choiceOf(panel).choice ?? jobs.status?.chosen;
      const { dirty } = context.model;
      const name = context.path.split('/').pop()!;
      const answer = await showDialog({
        title: trans.__('Submit %1 as one job?', name),
        body: new Sentences([
          trans.__(
            'All its cells run in order on %1. The executed copy stays in the job; this notebook is not changed.',
            choice ? told(choice) : trans.__('the tier of your settings')
          ),
          ...(dirty ? [trans.__('It has changes that are saved first.')] : [])
        ]),
        buttons: [
          Dialog.cancelButton(),
          Dialog.okButton({
            label: dirty ? trans.__('Save and submit') : trans.__('Submit')
          })
        ]
      });
      if (!answer.button.accept) {
        return;
      }
      try {
        if (dirty) {
          await context.save();
        }
        const { id } = await jobs.client.submit({
          kind: 'notebook',
          path: app.serviceManager.contents.localPath(context.path),
          ...(choice && { tier: choice.tier, device: choice.device })
        });
        Notification.success(trans.__('%1 is job %2 now.', name, shortId(id)), {
          actions: [
            {
              label: trans.__('Open job'),
              callback: () => void commands.execute(CommandIDs.openJob, { id })
            }
          ],
          autoClose: 8000
        });
        await jobs.refresh();
      } catch (error) {
        const advice = error instanceof ApiError ? error.advice : '';
        await showErrorMessage(
          trans.__('The notebook was not submitted'),
          [(error as Error).message, advice].filter(Boolean).join(' ')
        );
      }
    }
  }
};

class Sentences extends Widget {
  constructor(sentences: readonly string[]) {
    super();
    for (const sentence of sentences) {
      const paragraph = document.createElement('p');
      paragraph.textContent = sentence;
      this.node.append(paragraph);
    }
  }
}

function where(args: ReadonlyPartialJSONObject): Partial<Choice> {
  return {
    ...(typeof args.tier === 'string' && { tier: args.tier as Tier }),
    ...(typeof args.device === 'string' && { device: args.device })
  };
}

/** `emulation · kingston` */
function told(choice: Partial<Choice>): string {
  return [choice.tier, choice.device].filter(Boolean).join(' · ');
}

function titleOf(tier: Tier, trans: TranslationBundle): string {
  return (
    {
      local: trans.__('Local'),
      emulation: trans.__('Emulation'),
      qpu: trans.__('QPU')
    }[tier] ?? tier
  );
}
