"""The whole API, one noun a file, readable in one sitting. Requests refuse unknown fields; answers may grow."""
