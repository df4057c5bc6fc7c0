import { useState } from 'react';

import { plain } from '../../words';
import { Answer } from './answer';
import type { JobContext } from './context';

/** Python and the packages that the job was submitted with. */
export function Runtime(props: { context: JobContext }): JSX.Element {
  const { facets, trans } = props.context;
  const [text, setText] = useState('');
  return (
    <Answer facet={facets.detail} trans={trans}>
      {({ runtime }) => {
        const packages = Object.entries(runtime.packages ?? {});
        const found = packages
          .filter(([name]) => name.toLowerCase().includes(text.toLowerCase()))
          .sort(([a], [b]) => a.localeCompare(b));
        return (
          <>
            <dl className="qhub-Pairs">
              <dt>{trans.__('Python')}</dt>
              <dd>{plain(runtime.python ?? '–', 200)}</dd>
              <dt>{trans.__('Platform')}</dt>
              <dd>{plain(runtime.platform ?? '–', 200)}</dd>
            </dl>
            {packages.length > 0 && (
              <>
                <h3>
                  {trans._n('%1 package', '%1 packages', packages.length)}
                </h3>
                <input
                  type="search"
                  className="qhub-Packages-search"
                  placeholder={trans.__('Filter packages')}
                  aria-label={trans.__('Filter packages')}
                  value={text}
                  onChange={event => setText(event.target.value)}
                />
                <ul className="qhub-Packages">
                  {found.map(([name, version]) => (
                    <li key={name}>
                      <span>{plain(name, 100)}</span>
                      <code>{plain(version, 60)}</code>
                    </li>
                  ))}
                </ul>
              </>
            )}
          </>
        );
      }}
    </Answer>
  );
}
