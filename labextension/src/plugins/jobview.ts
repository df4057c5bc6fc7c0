import {
  ILabShell,
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { jobsIcon } from '../icon';
import type { JobPool } from '../model/pool';
import { CommandIDs, IJobPool } from '../tokens';
import { isJobId } from '../views/card/saved';
import { JobView } from '../views/job/view';

/** Opens jobs in the main area. */
export const jobViewPlugin: JupyterFrontEndPlugin<void> = {
  id: 'qhub-ext:job-view',
  description: 'Shows all that is known about one job in the main area.',
  autoStart: true,
  requires: [IJobPool, IRenderMimeRegistry],
  optional: [ITranslator, ILabShell, ILayoutRestorer, IEditorLanguageRegistry],
  activate: (
    app: JupyterFrontEnd,
    pool: JobPool,
    rendermime: IRenderMimeRegistry,
    translator: ITranslator | null,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    languages: IEditorLanguageRegistry | null
  ) => {
    const { commands, shell } = app;
    const trans = (translator ?? nullTranslator).load('qhub_ext');
    const tracker = new WidgetTracker<MainAreaWidget<JobView>>({
      namespace: 'qhub-ext-job'
    });
    const options = {
      pool,
      commands,
      rendermime,
      trans,
      highlight: languages
        ? (code: string, language: string, host: HTMLElement) =>
            languages.highlight(code, languages.findByName(language), host)
        : null
    };
    // Notebook's main area holds the notebook and nothing else
    const area = labShell ? 'main' : 'right';

    const add = (id: string): MainAreaWidget<JobView> => {
      const widget = new MainAreaWidget({ content: new JobView(id, options) });
      widget.id = `qhub-job-tab-${id}`;
      widget.toolbar.hide();
      void tracker.add(widget);
      return widget;
    };
    const show = (id: string): void => {
      const known = tracker.find(({ content }) => content.jobId === id);
      const widget = known ?? add(id);
      if (!widget.isAttached) {
        shell.add(widget, area);
      }
      shell.activateById(widget.id);
    };

    commands.addCommand(CommandIDs.openJob, {
      label: trans.__('Open'),
      caption: trans.__('Open the job in a tab of its own'),
      icon: jobsIcon,
      describedBy: {
        args: {
          type: 'object',
          properties: {
            id: { type: 'string', description: 'The id of the job.' },
            ids: {
              type: 'array',
              items: { type: 'string' },
              description: 'The ids of several jobs, each opened.'
            }
          }
        }
      },
      execute: args => {
        const ids = [args.id, ...((args.ids as unknown[]) ?? [])];
        ids.filter(isJobId).forEach(id => show(id));
      }
    });

    if (restorer) {
      void restorer.restore(tracker, {
        command: CommandIDs.openJob,
        args: ({ content }) => ({ id: content.jobId }),
        name: ({ content }) => content.jobId
      });
    }
  }
};
