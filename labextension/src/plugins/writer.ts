import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import type { JobPool } from '../model/pool';
import { IJobPool } from '../tokens';
import { NotebookWriter, WriterSettings } from '../writer/notebook';

const ID = 'qhub-ext:writer';

/** Writes outputs of jobs that have ended into the open notebooks. */
export const writerPlugin: JupyterFrontEndPlugin<void> = {
  id: ID,
  description:
    'Writes the last word on a job, and its outputs, under the cell that submitted it.',
  autoStart: true,
  requires: [IJobPool, INotebookTracker],
  optional: [ISettingRegistry, ITranslator],
  activate: (
    _: JupyterFrontEnd,
    pool: JobPool,
    tracker: INotebookTracker,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('qhub_ext');
    const writers = new Map<NotebookPanel['context'], NotebookWriter>();
    let settings: WriterSettings = { outputs: true, limit: 8e6 };

    void registry?.load(ID).then(loaded => {
      const read = (): void => {
        settings = {
          outputs: loaded.composite.outputs !== false,
          limit: Number(loaded.composite.limitMegabytes ?? 8) * 1e6
        };
        writers.forEach(writer => writer.reconsider());
      };
      loaded.changed.connect(read);
      read();
    });

    const attend = async ({ context }: NotebookPanel): Promise<void> => {
      await context.ready;
      if (writers.has(context) || context.isDisposed) {
        return; // another view of a notebook that is open already
      }
      const writer = new NotebookWriter(context, pool, () => settings, trans);
      writers.set(context, writer);
      context.disposed.connect(() => {
        writers.delete(context);
        writer.dispose();
      });
    };
    tracker.forEach(panel => void attend(panel));
    tracker.widgetAdded.connect((_, panel) => void attend(panel));
  }
};
