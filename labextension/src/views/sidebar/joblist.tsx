import type { TranslationBundle } from '@jupyterlab/translation';
import {
  KeyboardEvent,
  MouseEvent,
  useCallback,
  useEffect,
  useLayoutEffect,
  useRef,
  useState
} from 'react';

import type { Listing } from '../../model/listing';
import { CommandIDs } from '../../tokens';
import { useSignal } from '../signal';
import type { Run } from './actions';
import { JobRow, ROW_HEIGHT } from './jobrow';
import { rowsInSight, scrollTo } from './rows';

/** Before the browser has told how high the list is. */
const HEIGHT_AT_FIRST = 600;

/** The jobs that match, newest first: a grid of which only the rows in sight exist. */
export function JobList(props: {
  listing: Listing;
  trans: TranslationBundle;
  run: Run;
  onList?: () => void;
}): JSX.Element {
  const { listing, trans, run, onList } = props;
  const { model, rows, active } = listing;
  useSignal(listing.changed);
  useSignal(model.changed);
  const node = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const height = useHeight(node);
  const activeIndex = listing.indexOf(active);

  // Focus follows the keyboard, but only where it is within the list already. Asked before the rows change: the one that
  // has the focus may be about to go.
  const focused = node.current?.contains(document.activeElement) ?? false;
  useLayoutEffect(() => {
    const list = node.current!;
    if (activeIndex < 0 || !focused) {
      return;
    }
    list.scrollTop = scrollTo(
      activeIndex,
      ROW_HEIGHT,
      list.scrollTop,
      heightOf(list)
    );
    const row = list.querySelector<HTMLElement>('[role=row][tabindex="0"]');
    if (!row?.contains(document.activeElement)) {
      row?.focus({ preventScroll: true });
    }
  }, [active, activeIndex, focused]);

  useEffect(() => onList?.(), []);

  // Where the list becomes lower, as when a job is explained below it, the row stays in sight.
  const heightBefore = useRef(height);
  useLayoutEffect(() => {
    const list = node.current!;
    const begin = activeIndex * ROW_HEIGHT;
    const end = list.scrollTop + heightBefore.current;
    const now = heightOf(list);
    heightBefore.current = now;
    if (activeIndex >= 0 && begin >= list.scrollTop && begin < end) {
      list.scrollTop = scrollTo(activeIndex, ROW_HEIGHT, list.scrollTop, now);
    }
  }, [activeIndex, height]);

  const onPress = useCallback(
    (id: string, event: MouseEvent) => {
      if (event.type === 'contextmenu' || event.button === 2) {
        if (!listing.isSelected(id)) {
          listing.select(id);
        }
      } else if (event.button === 0) {
        const toggle = event.ctrlKey || event.metaKey;
        listing.select(
          id,
          event.shiftKey ? 'extend' : toggle ? 'toggle' : 'only'
        );
        if (event.shiftKey) {
          event.preventDefault(); // else the browser selects the text between
          (event.currentTarget as HTMLElement).focus();
        }
      }
    },
    [listing]
  );

  const onKeyDown = (event: KeyboardEvent): void => {
    const onButton = (event.target as HTMLElement).tagName === 'BUTTON';
    if (act(event, listing, run, pageOf(node.current), onButton)) {
      event.preventDefault();
      event.stopPropagation();
    }
  };

  const [first, end] = rowsInSight(rows.length, ROW_HEIGHT, top, height);
  const shown = Array.from({ length: end - first }, (_, n) => first + n);
  if (activeIndex >= 0 && (activeIndex < first || activeIndex >= end)) {
    shown.push(activeIndex); // else the focus would get lost while scrolling
  }
  return (
    <div
      ref={node}
      className="qhub-JobList"
      role="grid"
      aria-label={trans.__('Jobs')}
      aria-rowcount={rows.length}
      aria-multiselectable="true"
      onScroll={event => setTop(event.currentTarget.scrollTop)}
      onKeyDown={onKeyDown}
    >
      <div
        role="rowgroup"
        className="qhub-JobList-rows"
        style={{ height: rows.length * ROW_HEIGHT }}
      >
        {shown.map(index => {
          const job = rows[index];
          return (
            <JobRow
              key={job.id}
              job={job}
              index={index}
              selected={listing.isSelected(job.id)}
              active={job.id === active}
              pending={model.pending(job.id)}
              writable={model.writable}
              trans={trans}
              run={run}
              onPress={onPress}
            />
          );
        })}
      </div>
    </div>
  );
}

/** Does what the key means; false where it means nothing here. */
function act(
  event: KeyboardEvent,
  listing: Listing,
  run: Run,
  page: number,
  onButton: boolean
): boolean {
  const how = event.shiftKey ? 'extend' : 'only';
  const { active } = listing;
  switch (event.key) {
    case 'ArrowDown':
      listing.step(1, how);
      return true;
    case 'ArrowUp':
      listing.step(-1, how);
      return true;
    case 'PageDown':
      listing.step(page, how);
      return true;
    case 'PageUp':
      listing.step(-page, how);
      return true;
    case 'Home':
      listing.step(-Infinity, how);
      return true;
    case 'End':
      listing.step(Infinity, how);
      return true;
    case 'Enter':
      if (active === null || onButton) {
        return false;
      }
      run(CommandIDs.openJob, [active]);
      return true;
    case ' ':
      if (active === null || onButton) {
        return false;
      }
      listing.select(active, 'toggle');
      return true;
    case 'Delete': {
      if (active === null) {
        return false;
      }
      const { selection } = listing;
      run(
        CommandIDs.cancel,
        selection.length > 0 ? selection.map(job => job.id) : [active]
      );
      return true;
    }
    case 'Escape':
      listing.clearSelection();
      return true;
    case 'a':
      if (!event.ctrlKey && !event.metaKey) {
        return false;
      }
      listing.selectAll();
      return true;
    default:
      return false;
  }
}

function pageOf(list: HTMLElement | null): number {
  return Math.max(1, Math.floor(heightOf(list) / ROW_HEIGHT) - 1);
}

function heightOf(list: HTMLElement | null): number {
  return list?.clientHeight || HEIGHT_AT_FIRST;
}

function useHeight(node: React.RefObject<HTMLElement>): number {
  const [height, setHeight] = useState(HEIGHT_AT_FIRST);
  useEffect(() => {
    if (typeof ResizeObserver === 'undefined') {
      return;
    }
    const observer = new ResizeObserver(() => {
      setHeight(node.current?.clientHeight ?? 0);
    });
    observer.observe(node.current!);
    return () => observer.disconnect();
  }, [node]);
  return height;
}
