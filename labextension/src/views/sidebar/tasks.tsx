import type { TranslationBundle } from '@jupyterlab/translation';
import { useEffect } from 'react';

import type { Task } from '../../api/types';
import type { Folds } from '../../model/folds';
import type { JobsModel } from '../../model/jobs';
import { CommandIDs } from '../../tokens';
import { plain, whole } from '../../words';
import { Age } from '../age';
import { useSignal } from '../signal';
import { beginWords } from '../start';
import type { Run } from './actions';
import { Section } from './section';

/** More than these are only counted. */
const SHOWN = 20;

/** The quantum tasks at the broker, in the order in which they would run now: mine by the names of their jobs, and why each waits. */
export function Tasks(props: {
  model: JobsModel;
  /** Whether anybody can see them: else nobody asks. */
  shown: boolean;
  folds: Folds;
  trans: TranslationBundle;
  run: Run;
}): JSX.Element {
  const { model, shown, folds, trans, run } = props;
  const { tasks } = model;
  useSignal(tasks.changed);
  useSignal(folds.changed);
  const wanted = shown && folds.isOpen('tasks');
  useEffect(() => {
    const watch = wanted ? tasks.watch() : null;
    return () => watch?.dispose();
  }, [tasks, wanted]);
  const waiting = tasks.total - tasks.tasks.filter(runs).length;
  const some = tasks.tasks.slice(0, SHOWN);
  return (
    <Section
      name="tasks"
      folds={folds}
      title={trans.__('Tasks at the broker')}
      aside={tasks.total > 0 && trans._n('%1 waits', '%1 wait', waiting)}
    >
      {tasks.trouble !== '' && (
        <p className="qhub-Words">{plain(tasks.trouble, 300)}</p>
      )}
      {tasks.trouble === '' && tasks.asOf !== null && tasks.total === 0 && (
        <p className="qhub-Words">{trans.__('No task waits or runs there.')}</p>
      )}
      {some.length > 0 && (
        <ol
          className="qhub-Devices"
          aria-label={trans.__('Tasks at the broker')}
        >
          {some.map(task => (
            <TaskItem
              key={task.id || `${task.place}`}
              task={task}
              name={model.find(task.job_id)?.name}
              trans={trans}
              run={run}
            />
          ))}
        </ol>
      )}
      {tasks.total > some.length && (
        <p className="qhub-Words">
          {trans.__('and %1 more', tasks.total - some.length)}
        </p>
      )}
    </Section>
  );
}

function runs(task: Task): boolean {
  return task.state === 'running' && task.why === '';
}

function TaskItem(props: {
  task: Task;
  name: string | undefined;
  trans: TranslationBundle;
  run: Run;
}): JSX.Element {
  const { task, name, trans, run } = props;
  const title = plain(name ?? (task.mine ? task.id : task.user), 80);
  return (
    <li className={`qhub-Device qhub-tone-${runs(task) ? 'busy' : 'waiting'}`}>
      <span className="qhub-Dot" data-on={runs(task)} aria-hidden="true" />
      <div className="qhub-Tier-facts">
        <div className="qhub-Tier-head">
          {name === undefined ? (
            <span className="qhub-Tier-name">{title}</span>
          ) : (
            <button
              className="qhub-LinkButton qhub-Task-job"
              onClick={() => run(CommandIDs.openJob, [task.job_id])}
            >
              {title}
            </button>
          )}
          <span className="qhub-Tier-open">
            {runs(task)
              ? trans.__('on the device')
              : task.place === 1
                ? trans.__('next')
                : trans.__('place %1', task.place)}
          </span>
        </div>
        <div className="qhub-Tier-words">
          <span>{plain(task.device, 40)}</span>
          <span>{plain(task.profile, 40)}</span>
          <span>
            {trans.__('%1 of %2 shots', whole(task.done), whole(task.of))}
          </span>
          <span>
            <Age since={task.submitted_at} />
          </span>
        </div>
        {task.why !== '' && (
          <div
            className="qhub-Tier-words qhub-mod-clamped"
            title={plain(task.why, 300)}
          >
            {plain(task.why, 300)}
          </div>
        )}
        {task.why !== '' && (
          <div className="qhub-Tier-words">{beginWords(task, trans)}</div>
        )}
      </div>
    </li>
  );
}
