import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactNode } from 'react';

import type { JobsModel } from '../../model/jobs';
import { moment, plain, Tone } from '../../words';
import { Age } from '../age';
import { Snippet } from './snippet';

const ENABLE = 'jupyter server extension enable qhub_ext';

/** What stands in the way of seeing or doing everything, one sentence each. */
export function Notices(props: {
  model: JobsModel;
  trans: TranslationBundle;
}): JSX.Element {
  const { model, trans } = props;
  const { connection, status } = model;
  const stale = status?.site.stale_since ?? null;
  return (
    <div role="status">
      {connection === 'offline' && (
        <Notice tone="bad" again={() => void model.refresh()} trans={trans}>
          {model.heardAt === null ? (
            trans.__('The Jupyter server does not answer.')
          ) : (
            <>
              {trans.__('The Jupyter server has not answered for')}{' '}
              <Age since={model.heardAt} />.{' '}
              {trans.__('What you see is from %1.', moment(model.heardAt))}
            </>
          )}{' '}
          <span className="qhub-Notice-detail">
            {plain(model.trouble, 200)}
          </span>
        </Notice>
      )}
      {connection === 'live' && stale !== null && (
        <Notice tone="waiting" trans={trans}>
          {trans.__(
            'The site scheduler (%1) cannot be reached: ',
            status!.site.name
          )}
          {trans.__('what you see of the queue is')} <Age since={stale} />{' '}
          {trans.__('old.')}
        </Notice>
      )}
      {connection === 'live' && !model.writable && (
        <Notice tone="quiet" trans={trans}>
          {trans.__(
            'You may look at jobs here, but not act on them: this server gives you read access only.'
          )}
        </Notice>
      )}
    </div>
  );
}

/** What stands in place of everything else; null where there is something to show. */
export function Obstacle(props: {
  model: JobsModel;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { model, trans } = props;
  const again = (
    <button className="qhub-Button" onClick={() => void model.refresh()}>
      {trans.__('Try again')}
    </button>
  );
  switch (model.connection) {
    case 'missing':
      return (
        <div className="qhub-Empty" role="status">
          <h3>{trans.__('The server extension is missing')}</h3>
          <p>
            {trans.__(
              'This Jupyter server does not know qhub_ext, or it is disabled there. Enable it with the command below where the server runs, then restart the server.'
            )}
          </p>
          <Snippet
            text={ENABLE}
            label={trans.__('the command')}
            trans={trans}
          />
          {again}
        </div>
      );
    case 'refused':
      return (
        <div className="qhub-Empty" role="status">
          <h3>{trans.__('This server does not let you see jobs')}</h3>
          <p>
            {plain(model.trouble, 300)}{' '}
            {trans.__(
              'If you have been signed out, reload the page and sign in again.'
            )}
          </p>
          {again}
        </div>
      );
    case 'connecting':
      return model.loaded ? null : (
        <p className="qhub-Words" role="status">
          {trans.__('Asking the server …')}
        </p>
      );
    default:
      return null;
  }
}

function Notice(props: {
  tone: Tone;
  again?: () => void;
  trans: TranslationBundle;
  children: ReactNode;
}): JSX.Element {
  return (
    <div className={`qhub-Notice qhub-tone-${props.tone}`}>
      <p>{props.children}</p>
      {props.again && (
        <button className="qhub-LinkButton" onClick={props.again}>
          {props.trans.__('Try now')}
        </button>
      )}
    </div>
  );
}
