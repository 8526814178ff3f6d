import { createRoot } from 'react-dom/client';
import { createBrowserRouter, RouterProvider } from 'react-router';
import './app/app.css';
import { loadWords, Root } from './app/Root';
import { routes } from './app/routes';
import { detectLanguage } from './i18n';

const router = createBrowserRouter(routes);
void loadWords(detectLanguage()).then((words) =>
  createRoot(document.getElementById('root')!).render(
    <Root words={words}>
      <RouterProvider router={router} />
    </Root>,
  ),
);
