import { Dialog, ReactWidget, showDialog } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { Refusal, Summary } from '../api/types';
import { plain, shortId } from '../words';

/** More than these are only counted. */
const TOLD = 8;

/** One line for each job, and how many there are beyond those. */
function JobLines(props: {
  intro: string;
  lines: readonly { id: string; text: string }[];
  trans: TranslationBundle;
}): JSX.Element {
  const { lines, trans } = props;
  const rest = lines.length - TOLD;
  return (
    <div className="qhub-JobLines">
      <p>{props.intro}</p>
      <ul>
        {lines.slice(0, TOLD).map(({ id, text }) => (
          <li key={id}>
            <code>{shortId(id)}</code> {plain(text, 200)}
          </li>
        ))}
      </ul>
      {rest > 0 && <p>{trans.__('and %1 more', rest)}</p>}
    </div>
  );
}

/** Whether the user really wants `what` done to these jobs. */
export async function ask(
  question: { title: string; intro: string; yes: string },
  jobs: readonly Pick<Summary, 'id' | 'name'>[],
  trans: TranslationBundle
): Promise<boolean> {
  const lines = jobs.map(({ id, name }) => ({ id, text: name }));
  const answer = await showDialog({
    title: question.title,
    body: ReactWidget.create(
      <JobLines intro={question.intro} lines={lines} trans={trans} />
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Back') }),
      Dialog.warnButton({ label: question.yes })
    ],
    defaultButton: 0
  });
  return answer.button.accept;
}

/** Says what the server refused, job by job. */
export async function tellRefusals(
  title: string,
  intro: string,
  refusals: readonly Refusal[],
  trans: TranslationBundle
): Promise<void> {
  const lines = refusals.map(({ job_id, why }) => ({ id: job_id, text: why }));
  await showDialog({
    title,
    body: ReactWidget.create(
      <JobLines intro={intro} lines={lines} trans={trans} />
    ),
    buttons: [Dialog.okButton({ label: trans.__('Close') })]
  });
}
