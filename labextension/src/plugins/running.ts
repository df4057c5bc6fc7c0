import {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { stopIcon } from '@jupyterlab/ui-components';

import { jobsIcon } from '../icon';
import { CommandIDs, IJobsModel } from '../tokens';
import { isFinal, plain, stateWord } from '../words';

/** Lists what runs and waits beside kernels and terminals; to shut one down is to cancel it. */
export const runningPlugin: JupyterFrontEndPlugin<void> = {
  id: 'qhub-ext:running',
  description: 'Lists active jobs among the running sessions.',
  autoStart: true,
  requires: [IJobsModel],
  optional: [IRunningSessionManagers, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: IJobsModel,
    managers: IRunningSessionManagers | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load('qhub_ext');
    const { commands } = app;
    const active = () => model.jobs.filter(job => !isFinal(job.state));
    managers?.add({
      name: trans.__('Quantum jobs'),
      running: () =>
        active().map(job => ({
          icon: () => jobsIcon,
          label: () => plain(job.name, 80),
          labelTitle: () =>
            `${plain(job.name)}\n${job.id}\n${job.tier} · ${job.device}`,
          detail: () => stateWord(job.state, trans),
          open: () => {
            void commands.execute(
              commands.hasCommand(CommandIDs.openJob)
                ? CommandIDs.openJob
                : CommandIDs.showJobs,
              { id: job.id }
            );
          },
          // a reader has no way to end it
          ...(model.writable && {
            shutdown: () => {
              void commands.execute(CommandIDs.cancel, { ids: [job.id] });
            }
          })
        })),
      runningChanged: model.changed,
      refreshRunning: () => void model.refresh(),
      shutdownLabel: trans.__('Cancel this job'),
      shutdownItemIcon: stopIcon,
      shutdownAllLabel: trans.__('Cancel All'),
      // a function is understood since JupyterLab 4.4 only
      get shutdownAllConfirmationText() {
        return trans._n(
          'Cancel %1 job that waits or runs?',
          'Cancel all %1 jobs that wait or run?',
          active().length
        );
      },
      shutdownAll: () => {
        // the panel has asked already
        void commands.execute(CommandIDs.cancel, {
          ids: active().map(job => job.id),
          asked: true
        });
      }
    });
  }
};
