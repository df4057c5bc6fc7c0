import type { TranslationBundle } from '@jupyterlab/translation';
import { refreshIcon } from '@jupyterlab/ui-components';

import type { Folds } from '../../model/folds';
import type { Listing } from '../../model/listing';
import type { JobPool } from '../../model/pool';
import { plain } from '../../words';
import { useSignal } from '../signal';
import type { Run } from './actions';
import { Chosen } from './chosen';
import { Devices } from './devices';
import { NoJobs, NoMatch } from './empty';
import { Filters } from './filters';
import { JobList } from './joblist';
import { Notices, Obstacle } from './notices';
import { Selected } from './selected';
import { Tasks } from './tasks';
import { Tiers } from './tiers';

/** The whole sidebar: how the site stands, and my jobs. */
export function Sidebar(props: {
  listing: Listing;
  pool: JobPool | null;
  folds: Folds;
  /** Whether anybody can see it. */
  shown: boolean;
  trans: TranslationBundle;
  run: Run;
  /** There are rows where there were none. */
  onList?: () => void;
}): JSX.Element {
  const { listing, pool, folds, shown, trans, run, onList } = props;
  const { model } = listing;
  useSignal(model.changed);
  const live = model.connection === 'live';
  const site = plain(model.status?.site.name ?? '', 40);
  const obstacle = Obstacle({ model, trans });
  return (
    <>
      <div className="qhub-Head">
        <h2>{trans.__('Quantum jobs')}</h2>
        {model.status && (
          <span
            className={`qhub-Head-site qhub-tone-${live ? 'good' : 'bad'}`}
            title={
              live
                ? trans.__(
                    'In step with the server; the site scheduler is %1',
                    site
                  )
                : trans.__('Out of step with the server')
            }
          >
            <span className="qhub-Dot" data-on={live} aria-hidden="true" />
            <span className="qhub-Head-word">{site}</span>
          </span>
        )}
        <button
          className="qhub-IconButton"
          title={trans.__('Ask anew')}
          aria-label={trans.__('Ask anew')}
          onClick={() => void model.refresh()}
        >
          <refreshIcon.react tag="span" height="16px" width="16px" />
        </button>
      </div>
      {obstacle ?? (
        <>
          <Notices model={model} trans={trans} />
          <div className="qhub-Site">
            {model.status && (
              <Tiers
                status={model.status}
                devices={model.devices}
                folds={folds}
                trans={trans}
              />
            )}
            <Devices
              devices={model.devices}
              chosen={model.status?.chosen.device ?? ''}
              folds={folds}
              trans={trans}
            />
            {model.status?.broker && (
              <Tasks {...{ model, shown, folds, trans, run }} />
            )}
          </div>
          <Jobs {...{ listing, pool, trans, run, onList }} />
        </>
      )}
    </>
  );
}

function Jobs(props: {
  listing: Listing;
  pool: JobPool | null;
  trans: TranslationBundle;
  run: Run;
  onList?: () => void;
}): JSX.Element {
  const { listing, pool, trans, run } = props;
  useSignal(listing.changed);
  const { model } = listing;
  const total = model.jobs.length;
  if (total === 0) {
    return model.loaded ? <NoJobs {...{ model, trans, run }} /> : <></>;
  }
  return (
    <section className="qhub-Jobs" aria-label={trans.__('My jobs')}>
      <h3 className="qhub-Jobs-title">
        <span>{trans.__('My jobs')}</span>
        <span className="qhub-Section-aside">
          {listing.filtered
            ? trans.__('%1 of %2', listing.rows.length, total)
            : total}
        </span>
      </h3>
      <Filters listing={listing} trans={trans} />
      <Selected {...props} />
      {listing.rows.length === 0 ? (
        <NoMatch listing={listing} trans={trans} />
      ) : (
        <JobList {...props} />
      )}
      <Chosen {...{ listing, pool, trans }} />
    </section>
  );
}
