//! Loads the SQL models, orders them and makes their tests.
//!
//! A model is a file `sql/**/*.sql`: one SELECT, published as the table `customer.<file stem>`. A
//! header in YAML says what it is and what must hold, and the SELECT is a template that names what
//! it reads by functions, so that every dependency is known before anything is planned:
//!
//! | in a model | stands for |
//! |---|---|
//! | `ref('orders')` | the model `orders` |
//! | `source('pos_orders')` | the landed rows of a source |
//! | `vault('identifiers')` | the direct identifiers |
//! | `has_source('pos_orders')` | whether this installation has the source |
//! | `column('pos_orders', 'note', 'varchar')` | the column if the source has it, else a typed null |
//!
//! Each source that has no model of its name gets one that publishes its rows as they landed.
//!
//! This crate holds texts only. It does not know who asks, plans nothing and runs nothing: models
//! become views under the caller's grants, and tests are statements like any other. So a model must
//! make sense when columns read as null and tables as empty because they are withheld.
//!
//! Read first: [`ModelFiles`] (what is on disk), [`Models`] (what is published) and [`Problem`]
//! (what is wrong and where).
//!
//! ```
//! use custos_models::{ModelFiles, Models, Sources};
//! let files = ModelFiles::from_pairs([(
//!     "big_orders.sql",
//!     "/* custos\ndescription: Orders above 100.\n*/\n\
//!      select * from {{ source('pos_orders') }} where amount > 100",
//! )]);
//! let sources: Sources = [("pos_orders".parse()?, vec!["amount".to_owned()])].into_iter().collect();
//! let models = Models::load(&[files], &sources).map_err(|problems| problems[0].clone())?;
//! let model = models.get("big_orders").ok_or("not there")?;
//! assert_eq!(model.sql, "select * from landing.pos_orders where amount > 100");
//! assert_eq!(model.tables[0].as_str(), "landing.pos_orders");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod files;
mod header;
mod model;
mod model_test;
mod models;
mod order;
mod problem;
mod sources;
mod sql_text;
mod template;

#[cfg(test)]
mod shipped;

#[cfg(test)]
mod testing;

pub use files::{ModelFiles, ModelFilesError};
pub use model::Model;
pub use model_test::ModelTest;
pub use models::Models;
pub use problem::Problem;
pub use sources::Sources;
