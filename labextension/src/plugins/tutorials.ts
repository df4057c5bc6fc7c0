import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, showErrorMessage } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { jobsIcon } from '../icon';
import { CommandIDs, IJobsModel } from '../tokens';
import { troubleWords } from '../views/trouble';

/** The tutorials, from the launcher where there is one, the palette and the empty sidebar. */
export const tutorialsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'qhub-ext:tutorials',
  description: 'Copies the tutorial notebooks and opens the first.',
  autoStart: true,
  requires: [IJobsModel],
  optional: [ITranslator, ILauncher, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    jobs: IJobsModel,
    translator: ITranslator | null,
    launcher: ILauncher | null,
    palette: ICommandPalette | null
  ) => {
    const trans = (translator ?? nullTranslator).load('qhub_ext');
    const category = trans.__('Quantum Jobs');
    const { commands } = app;

    commands.addCommand(CommandIDs.openTutorials, {
      label: args =>
        args.isPalette
          ? trans.__('Open the qhub Tutorials')
          : trans.__('qhub tutorials'),
      caption: trans.__(
        'Copy the tutorial notebooks into your folder, and open the first'
      ),
      icon: args => (args.isPalette ? undefined : jobsIcon),
      // an answer of the launcher: the notebook takes its place
      execute: () => copyAndOpen(),
      describedBy: { args: { type: 'object', properties: {} } }
    });
    const command = CommandIDs.openTutorials;
    // in JupyterLab's own words: beside terminal and text file it is seen without scrolling
    const other = (translator ?? nullTranslator).load('jupyterlab').__('Other');
    launcher?.add({ command, category: other, rank: 10 });
    palette?.addItem({ command, category, args: { isPalette: true } });

    async function copyAndOpen(): Promise<unknown> {
      try {
        const { path, notebooks } = await jobs.client.tutorials();
        if (commands.hasCommand('filebrowser:go-to-path')) {
          await commands.execute('filebrowser:go-to-path', { path });
        }
        return await commands.execute('docmanager:open', {
          path: notebooks[0].path
        });
      } catch (error) {
        await showErrorMessage(
          trans.__('The tutorials cannot be opened'),
          troubleWords(error as Error, trans)
        );
        return null;
      }
    }
  }
};
