//! Loads the SQL models, orders them, publishes them as views and runs their tests.
