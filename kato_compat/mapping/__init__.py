"""Which document field lives in which store: columns, collection specs and the catalogue of them."""
