import { cardPlugin, poolPlugin } from './plugins/card';
import { commandsPlugin } from './plugins/commands';
import { fleetPlugin } from './plugins/fleet';
import { jobsPlugin } from './plugins/jobs';
import { notificationsPlugin } from './plugins/notifications';
import { notebookPlugin } from './plugins/notebook';
import { runningPlugin } from './plugins/running';
import { jobViewPlugin } from './plugins/jobview';
import { sidebarPlugin } from './plugins/sidebar';
import { statusBarPlugin } from './plugins/statusbar';
import { tutorialsPlugin } from './plugins/tutorials';
import { writerPlugin } from './plugins/writer';

export default [
  jobsPlugin,
  poolPlugin,
  cardPlugin,
  writerPlugin,
  sidebarPlugin,
  commandsPlugin,
  notificationsPlugin,
  runningPlugin,
  statusBarPlugin,
  jobViewPlugin,
  notebookPlugin,
  tutorialsPlugin,
  fleetPlugin
];
