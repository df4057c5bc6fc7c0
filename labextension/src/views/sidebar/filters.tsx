import type { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon, searchIcon } from '@jupyterlab/ui-components';

import type { State, Tier } from '../../api/types';
import type { Listing } from '../../model/listing';
import type { Tone } from '../../words';
import { StateSign } from '../state';

const TIERS: Tier[] = ['local', 'emulation', 'qpu'];

/** Each group of states with the sign of one of them. */
function groups(
  trans: TranslationBundle
): { tone: Tone; state: State; label: string }[] {
  return [
    { tone: 'waiting', state: 'queued', label: trans.__('waiting') },
    { tone: 'busy', state: 'starting', label: trans.__('running') },
    { tone: 'good', state: 'completed', label: trans.__('completed') },
    { tone: 'bad', state: 'failed', label: trans.__('failed') },
    { tone: 'quiet', state: 'cancelled', label: trans.__('cancelled') }
  ];
}

/** Search text, tier, and one switch for each group of states with how many there are. */
export function Filters(props: {
  listing: Listing;
  trans: TranslationBundle;
}): JSX.Element {
  const { listing, trans } = props;
  const { filter, tally } = listing;
  return (
    <div className="qhub-Filters" role="search">
      <div className="qhub-Filters-line">
        <span className="qhub-JobSearch">
          <searchIcon.react tag="span" width="14px" height="14px" />
          <input
            type="text"
            value={filter.text}
            placeholder={trans.__('Search')}
            aria-label={trans.__('Search in jobs')}
            title={trans.__('By name, id, tier, device, state or reason')}
            spellCheck={false}
            onChange={event => listing.narrow({ text: event.target.value })}
            onKeyDown={event => {
              if (event.key === 'Escape' && filter.text) {
                event.stopPropagation();
                listing.narrow({ text: '' });
              }
            }}
          />
          {filter.text && (
            <button
              className="qhub-IconButton"
              title={trans.__('Clear the search')}
              aria-label={trans.__('Clear the search')}
              onClick={() => listing.narrow({ text: '' })}
            >
              <closeIcon.react tag="span" width="12px" height="12px" />
            </button>
          )}
        </span>
        <select
          className="qhub-Select"
          value={filter.tier}
          aria-label={trans.__('Tier')}
          onChange={event =>
            listing.narrow({ tier: event.target.value as Tier | '' })
          }
        >
          <option value="">{trans.__('all tiers')}</option>
          {TIERS.map(tier => (
            <option key={tier} value={tier}>
              {tier}
            </option>
          ))}
        </select>
      </div>
      <div
        className="qhub-Filters-line"
        role="group"
        aria-label={trans.__('States')}
      >
        {groups(trans).map(({ tone, state, label }) => (
          <button
            key={tone}
            className={`qhub-Chip qhub-tone-${tone}`}
            aria-pressed={filter.tones.has(tone)}
            aria-label={trans.__('%1: %2', label, tally.get(tone) ?? 0)}
            title={trans.__('Show only jobs that are %1', label)}
            onClick={() => listing.toggleTone(tone)}
          >
            <StateSign state={state} />
            <span className="qhub-Chip-word">{label}</span>
            <span className="qhub-Chip-count">
              {brief(tally.get(tone) ?? 0)}
            </span>
          </button>
        ))}
      </div>
    </div>
  );
}

/** `640`, `6.4k`, `12k`: five of them have room side by side. */
function brief(count: number): string {
  if (count < 1000) {
    return String(count);
  }
  const thousands = count / 1000;
  return `${thousands < 10 ? Math.floor(10 * thousands) / 10 : Math.floor(thousands)}k`;
}
