import type { TranslationBundle } from '@jupyterlab/translation';

import type { JobRecord } from '../api/types';
import { plain } from '../words';

/** Of one that completed; '' where nothing makes its results doubtful. */
export function doubtOf(
  record: Pick<JobRecord, 'state' | 'size' | 'message'>
): string {
  return record.state === 'completed' && record.size === null
    ? record.message
    : '';
}

/** What somebody who uses its results should look at; also from what the notebook saved. */
export function Doubt(props: {
  record: JobRecord;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { record, trans } = props;
  const doubt = doubtOf(record);
  return doubt === '' ? null : (
    <div className="qhub-Doubt" role="note">
      <p>
        <b>{trans.__('Look at this:')}</b> {plain(doubt, 1000)}
      </p>
      {record.advice && (
        <p className="qhub-Doubt-advice">{plain(record.advice, 1000)}</p>
      )}
    </div>
  );
}
