import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';

import type { Listing } from '../../model/listing';
import { allows } from '../../model/verbs';
import { CommandIDs } from '../../tokens';
import type { Run } from './actions';
import { buttons } from './jobrow';

/** How many jobs are selected, and what can be done with them at once. */
export function Selected(props: {
  listing: Listing;
  trans: TranslationBundle;
  run: Run;
}): JSX.Element | null {
  const { listing, trans } = props;
  const { selection } = listing;
  if (selection.length < 2) {
    return null;
  }
  return (
    <div
      className="qhub-Selected"
      role="toolbar"
      aria-label={trans.__('Selected jobs')}
    >
      <span role="status">{trans.__('%1 selected', selection.length)}</span>
      <span className="qhub-Selected-buttons">
        {listing.model.writable &&
          buttons(trans).map(({ verb, icon, label }) => {
            const able = selection.filter(job => allows(verb, job.state));
            const words = trans.__('%1: %2', label, able.length);
            return (
              <button
                key={verb}
                className="qhub-IconButton"
                title={words}
                aria-label={words}
                disabled={able.length === 0}
                onClick={() =>
                  props.run(
                    CommandIDs[verb],
                    able.map(job => job.id)
                  )
                }
              >
                <icon.react tag="span" height="14px" width="14px" />
              </button>
            );
          })}
        <button
          className="qhub-IconButton"
          title={trans.__('Select none')}
          aria-label={trans.__('Select none')}
          onClick={() => listing.clearSelection()}
        >
          <closeIcon.react tag="span" height="14px" width="14px" />
        </button>
      </span>
    </div>
  );
}
