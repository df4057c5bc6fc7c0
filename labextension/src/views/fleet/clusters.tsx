import type { TranslationBundle } from '@jupyterlab/translation';

import type { FleetCluster } from '../../api/fleet';
import { duration, plain } from '../../words';
import { verdictTone, verdictWord } from './words';

/** Failures that are alike, the most frequent first, each with the sentence that says whether they have a common cause. */
export function Clusters(props: {
  clusters: readonly FleetCluster[];
  trans: TranslationBundle;
}): JSX.Element {
  const { clusters, trans } = props;
  if (clusters.length === 0) {
    return (
      <p className="qhub-Fleet-words">
        {trans.__('Nothing failed in this time.')}
      </p>
    );
  }
  return (
    <ol>
      {clusters.map(one => (
        <li
          key={one.id}
          className={`qhub-Fleet-cluster qhub-tone-${verdictTone(one.kind)}`}
        >
          <div className="qhub-Fleet-head">
            <span className="qhub-Fleet-verdict">
              {verdictWord(one.kind, trans)}
            </span>
            <code>{plain(one.signature, 200)}</code>
          </div>
          <div className="qhub-Fleet-facts">
            <span>{trans._n('%1 time', '%1 times', one.failed)}</span>
            <span>{trans._n('%1 user', '%1 users', one.users)}</span>
            {one.cause !== '' && <span>{plain(one.cause, 40)}</span>}
            <span>{trans.__('%1 lost', duration(one.lost_s))}</span>
            {one.mine && <span>{trans.__('yours among them')}</span>}
          </div>
          {one.sentence !== '' && <p>{plain(one.sentence, 600)}</p>}
        </li>
      ))}
    </ol>
  );
}
