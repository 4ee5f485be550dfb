"""The WSGI entry point: `gunicorn wsgi:app` serves it, `flask --app wsgi` runs its commands."""

from app.factory import create_app
from config import Config
from serving.start_checks import keep_files_private

keep_files_private()
app = create_app(Config.from_env())
