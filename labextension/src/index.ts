import { cardPlugin, poolPlugin } from './plugins/card';
import { jobsPlugin } from './plugins/jobs';
import { sidebarPlugin } from './plugins/sidebar';
import { writerPlugin } from './plugins/writer';

export default [
  jobsPlugin,
  poolPlugin,
  cardPlugin,
  writerPlugin,
  sidebarPlugin
];
