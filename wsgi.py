"""The WSGI entry point: `gunicorn wsgi:app` serves it, `flask --app wsgi` runs its commands."""

import serving
from app.factory import create_app
from config import Config

serving.keep_files_private()
app = create_app(Config.from_env())
