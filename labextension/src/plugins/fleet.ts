import {
  ILabShell,
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  ICommandPalette,
  MainAreaWidget,
  WidgetTracker
} from '@jupyterlab/apputils';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { Client } from '../api/client';
import { fleetIcon } from '../icon';
import { FleetModel } from '../model/fleet';
import { CommandIDs } from '../tokens';
import { FleetView } from '../views/fleet/view';

/** Opens what is known of all jobs of the site; whether it may be seen, the server says. */
export const fleetPlugin: JupyterFrontEndPlugin<void> = {
  id: 'qhub-ext:fleet',
  description:
    'Shows what fails at the whole site, and whether it keeps its promises.',
  autoStart: true,
  optional: [
    ITranslator,
    ICommandPalette,
    ILabShell,
    ILayoutRestorer,
    IRenderMimeRegistry
  ],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    labShell: ILabShell | null,
    restorer: ILayoutRestorer | null,
    rendermime: IRenderMimeRegistry | null
  ) => {
    const { commands, shell } = app;
    const trans = (translator ?? nullTranslator).load('qhub_ext');
    const tracker = new WidgetTracker<MainAreaWidget<FleetView>>({
      namespace: 'qhub-ext-fleet'
    });

    const open = (): MainAreaWidget<FleetView> => {
      const model = new FleetModel(
        new Client(app.serviceManager.serverSettings)
      );
      const widget = new MainAreaWidget({
        content: new FleetView(model, rendermime, trans)
      });
      widget.id = 'qhub-fleet-tab';
      widget.toolbar.hide();
      void tracker.add(widget);
      // Notebook's main area holds the notebook and nothing else
      shell.add(widget, labShell ? 'main' : 'right');
      return widget;
    };

    commands.addCommand(CommandIDs.openFleet, {
      label: trans.__('Open Fleet'),
      caption: trans.__(
        'What fails at the whole site, and whether waits keep to their targets'
      ),
      icon: fleetIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => shell.activateById((tracker.currentWidget ?? open()).id)
    });
    palette?.addItem({
      command: CommandIDs.openFleet,
      category: trans.__('Quantum Jobs')
    });

    if (restorer) {
      void restorer.restore(tracker, {
        command: CommandIDs.openFleet,
        name: () => 'fleet'
      });
    }
  }
};
