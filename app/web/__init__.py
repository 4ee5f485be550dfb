"""The pages: templates and scripts that call the API as any other client does."""
