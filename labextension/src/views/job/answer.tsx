import type { TranslationBundle } from '@jupyterlab/translation';
import { useEffect } from 'react';

import type { Facet } from '../../model/facet';
import { plain } from '../../words';
import { useSignal } from '../signal';

/** Draws an answer of the server, or says that it is on its way, or why there is none. */
export function Answer<T>(props: {
  facet: Facet<T>;
  trans: TranslationBundle;
  children: (value: T) => JSX.Element;
}): JSX.Element {
  const { facet, trans, children } = props;
  useSignal(facet.changed);
  useEffect(() => {
    const watch = facet.watch();
    return () => watch.dispose();
  }, [facet]);
  return (
    <>
      {facet.trouble !== '' && (
        <p className="qhub-Job-trouble" role="alert">
          {plain(facet.trouble, 500)}
        </p>
      )}
      {facet.value !== null
        ? children(facet.value)
        : facet.trouble === '' && (
            <p className="qhub-Job-empty">{trans.__('Loading…')}</p>
          )}
    </>
  );
}
