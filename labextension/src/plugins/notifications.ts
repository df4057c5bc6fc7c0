import {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import {
  ITranslator,
  nullTranslator,
  TranslationBundle
} from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';

import { Kind, News, Piece } from '../model/news';
import { CommandIDs, IJobsModel } from '../tokens';
import { jobsPlugin } from './jobs';

const TYPES: Record<Kind, Notification.TypeOptions> = {
  started: 'info',
  completed: 'success',
  failed: 'error',
  cancelled: 'default'
};
/** In ms; a failure stays until it is put away. */
const SHOWN: Record<Kind, number | false> = {
  started: 4000,
  completed: 8000,
  failed: false,
  cancelled: 4000
};
type Wishes = Partial<Record<Kind, boolean>> | null;
/** As in schema/jobs.json; for a server without settings. */
const DEFAULTS: Record<Kind, boolean> = {
  started: true,
  completed: true,
  failed: true,
  cancelled: false
};

/** Notices when a job starts, ends or fails. */
export const notificationsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'qhub-ext:notifications',
  description: 'Tells when a job starts, ends or fails.',
  autoStart: true,
  requires: [IJobsModel],
  optional: [ISettingRegistry, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: IJobsModel,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('qhub_ext');
    let settings: ISettingRegistry.ISettings | null = null;
    let known = registry === null;
    registry?.load(jobsPlugin.id).then(
      loaded => {
        settings = loaded;
        known = true;
      },
      () => {
        known = true; // without its schema the defaults hold
      }
    );
    const wanted = (kind: Kind): boolean => {
      const told = settings?.get('notify').composite as Wishes | undefined;
      return told?.[kind] ?? DEFAULTS[kind];
    };
    new News(
      model,
      trans,
      kind => (known ? wanted(kind) : null),
      piece => tell(piece, app.commands, trans)
    );
  }
};

function tell(
  piece: Piece,
  commands: CommandRegistry,
  trans: TranslationBundle
): void {
  const actions = [
    {
      label: trans.__('Show sidebar'),
      callback: () => void commands.execute(CommandIDs.showJobs)
    }
  ];
  const { id } = piece;
  if (id !== null && commands.hasCommand(CommandIDs.openJob)) {
    actions.unshift({
      label: trans.__('Open job'),
      callback: () => void commands.execute(CommandIDs.openJob, { id })
    });
  }
  Notification.emit(piece.text, TYPES[piece.kind], {
    autoClose: SHOWN[piece.kind],
    actions
  });
}
