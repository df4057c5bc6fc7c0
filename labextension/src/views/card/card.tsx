import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';

import { CARD_MIME_TYPE, JobRecord } from '../../api/types';
import type { JobModel } from '../../model/job';
import type { JobPool } from '../../model/pool';
import { CardFace } from './face';
import { readRecord } from './saved';

export interface CardContext {
  pool: JobPool;
  commands: CommandRegistry;
  trans: TranslationBundle;
}

/** The output of a `%%qpu` cell in a notebook. */
export class JobCard extends ReactWidget implements IRenderMime.IRenderer {
  constructor(private readonly _context: CardContext) {
    super();
    this.addClass('qhub-CardOutput');
  }

  renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this._saved = readRecord(model.data[CARD_MIME_TYPE]);
    const id = this._saved?.id;
    if (id !== this._model?.id) {
      this._release();
      this._model = id === undefined ? null : this._context.pool.take(id);
    }
    this.update();
    return Promise.resolve();
  }

  dispose(): void {
    if (!this.isDisposed) {
      super.dispose();
      this._release();
    }
  }

  protected render(): JSX.Element {
    const { commands, trans } = this._context;
    if (this._saved === null || this._model === null) {
      return (
        <p className="qhub-Empty">
          {trans.__('This output is not a job card that can be read here.')}
        </p>
      );
    }
    return (
      <CardFace
        saved={this._saved}
        model={this._model}
        commands={commands}
        trans={trans}
      />
    );
  }

  private _release(): void {
    if (this._model !== null) {
      this._context.pool.release(this._model);
      this._model = null;
    }
  }

  private _saved: JobRecord | null = null;
  private _model: JobModel | null = null;
}

/** `safe`: it runs nothing of what the notebook carries, so that cards show in untrusted notebooks as well. */
export function cardFactory(
  context: CardContext
): IRenderMime.IRendererFactory {
  return {
    safe: true,
    mimeTypes: [CARD_MIME_TYPE],
    defaultRank: 0,
    createRenderer: () => new JobCard(context)
  };
}
