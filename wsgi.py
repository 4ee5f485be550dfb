"""The WSGI entry point: `gunicorn wsgi:app` serves it, `flask --app wsgi` runs its commands."""

from app.factory import create_app
from config import Config

app = create_app(Config.from_env())
