"""What browsers get: the web application, their sessions, and the API with a cookie in place of a certificate."""
