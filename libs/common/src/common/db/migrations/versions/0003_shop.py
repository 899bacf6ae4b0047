"""The shops: products, what belongs to them, and the categories and marks that they share."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE products (
        platform TEXT NOT NULL,
        product_id TEXT NOT NULL,
        name TEXT,
        on_main BOOLEAN,
        source_created_at TIMESTAMP WITH TIME ZONE,
        source_updated_at TIMESTAMP WITH TIME ZONE,
        currency VARCHAR(3) NOT NULL,
        tags JSONB DEFAULT '[]' NOT NULL,
        from_crm BOOLEAN,
        extra JSONB DEFAULT '{}' NOT NULL,
        changed_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
        CONSTRAINT products_pkey PRIMARY KEY (platform, product_id),
        CONSTRAINT products_extra_object_check CHECK (jsonb_typeof(extra) = 'object'),
        CONSTRAINT products_tags_array_check CHECK (jsonb_typeof(tags) = 'array')
    )
    """,
    "COMMENT ON COLUMN products.source_updated_at IS 'the vendor''s; silent about children'",
    "COMMENT ON COLUMN products.currency IS 'of the prices of its parameters'",
    "COMMENT ON COLUMN products.tags IS 'array of words'",
    "COMMENT ON COLUMN products.extra IS 'what no other column holds'",
    """
    CREATE TABLE categories (
        platform TEXT NOT NULL,
        category_id TEXT NOT NULL,
        name TEXT,
        image_url TEXT,
        sort_order INTEGER,
        extra JSONB DEFAULT '{}' NOT NULL,
        is_listed BOOLEAN NOT NULL,
        seq BIGINT NOT NULL,
        CONSTRAINT categories_pkey PRIMARY KEY (platform, category_id),
        CONSTRAINT categories_extra_object_check CHECK (jsonb_typeof(extra) = 'object')
    )
    """,
    "COMMENT ON COLUMN categories.extra IS 'what no other column holds'",
    "COMMENT ON COLUMN categories.is_listed IS 'in the shop''s own list, whose word then is the last'",
    "COMMENT ON COLUMN categories.seq IS 'version of the record that said so'",
    """
    CREATE TABLE marks (
        platform TEXT NOT NULL,
        mark_id TEXT NOT NULL,
        name TEXT,
        extra JSONB DEFAULT '{}' NOT NULL,
        is_listed BOOLEAN NOT NULL,
        seq BIGINT NOT NULL,
        CONSTRAINT marks_pkey PRIMARY KEY (platform, mark_id),
        CONSTRAINT marks_extra_object_check CHECK (jsonb_typeof(extra) = 'object')
    )
    """,
    "COMMENT ON COLUMN marks.extra IS 'what no other column holds'",
    "COMMENT ON COLUMN marks.is_listed IS 'in the shop''s own list, whose word then is the last'",
    "COMMENT ON COLUMN marks.seq IS 'version of the record that said so'",
    """
    CREATE TABLE product_categories (
        platform TEXT NOT NULL,
        product_id TEXT NOT NULL,
        category_id TEXT NOT NULL,
        CONSTRAINT product_categories_pkey PRIMARY KEY (platform, product_id, category_id),
        CONSTRAINT product_categories_category_id_fkey FOREIGN KEY (platform, category_id)
            REFERENCES categories (platform, category_id),
        CONSTRAINT product_categories_product_id_fkey FOREIGN KEY (platform, product_id)
            REFERENCES products (platform, product_id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX product_categories_category_id_idx ON product_categories (platform, category_id)",
    """
    CREATE TABLE product_marks (
        platform TEXT NOT NULL,
        product_id TEXT NOT NULL,
        mark_id TEXT NOT NULL,
        CONSTRAINT product_marks_pkey PRIMARY KEY (platform, product_id, mark_id),
        CONSTRAINT product_marks_mark_id_fkey FOREIGN KEY (platform, mark_id)
            REFERENCES marks (platform, mark_id),
        CONSTRAINT product_marks_product_id_fkey FOREIGN KEY (platform, product_id)
            REFERENCES products (platform, product_id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX product_marks_mark_id_idx ON product_marks (platform, mark_id)",
    """
    CREATE TABLE colors (
        platform TEXT NOT NULL,
        product_id TEXT NOT NULL,
        color_id TEXT NOT NULL,
        name TEXT,
        code TEXT,
        image_url TEXT,
        discount NUMERIC(14, 2),
        sort_order INTEGER,
        details JSONB,
        extra JSONB DEFAULT '{}' NOT NULL,
        CONSTRAINT colors_pkey PRIMARY KEY (platform, product_id, color_id),
        CONSTRAINT colors_extra_object_check CHECK (jsonb_typeof(extra) = 'object'),
        CONSTRAINT colors_product_id_fkey FOREIGN KEY (platform, product_id)
            REFERENCES products (platform, product_id) ON DELETE CASCADE
    )
    """,
    "COMMENT ON COLUMN colors.code IS 'such as #FFFFFF'",
    "COMMENT ON COLUMN colors.discount IS 'as the vendor gives it'",
    "COMMENT ON COLUMN colors.details IS 'json_data of the vendor'",
    "COMMENT ON COLUMN colors.extra IS 'what no other column holds'",
    """
    CREATE TABLE parameters (
        platform TEXT NOT NULL,
        product_id TEXT NOT NULL,
        parameter_id TEXT NOT NULL,
        name TEXT,
        value TEXT,
        price NUMERIC(14, 2),
        old_price NUMERIC(14, 2),
        is_chosen BOOLEAN,
        is_disabled BOOLEAN,
        color TEXT,
        image_url TEXT,
        sort_order INTEGER,
        details JSONB,
        extra JSONB DEFAULT '{}' NOT NULL,
        CONSTRAINT parameters_pkey PRIMARY KEY (platform, product_id, parameter_id),
        CONSTRAINT parameters_price_check CHECK (price >= 0),
        CONSTRAINT parameters_old_price_check CHECK (old_price >= 0),
        CONSTRAINT parameters_extra_object_check CHECK (jsonb_typeof(extra) = 'object'),
        CONSTRAINT parameters_product_id_fkey FOREIGN KEY (platform, product_id)
            REFERENCES products (platform, product_id) ON DELETE CASCADE
    )
    """,
    "COMMENT ON COLUMN parameters.value IS 'size or article: parameter_string of the vendor'",
    "COMMENT ON COLUMN parameters.price IS 'in products.currency'",
    "COMMENT ON COLUMN parameters.old_price IS 'in products.currency'",
    "COMMENT ON COLUMN parameters.details IS 'parameter_json of the vendor'",
    "COMMENT ON COLUMN parameters.extra IS 'what no other column holds'",
    """
    CREATE TABLE images (
        platform TEXT NOT NULL,
        product_id TEXT NOT NULL,
        image_id TEXT NOT NULL,
        url TEXT,
        is_main BOOLEAN,
        position TEXT,
        sort_order INTEGER,
        title TEXT,
        extra JSONB DEFAULT '{}' NOT NULL,
        CONSTRAINT images_pkey PRIMARY KEY (platform, product_id, image_id),
        CONSTRAINT images_extra_object_check CHECK (jsonb_typeof(extra) = 'object'),
        CONSTRAINT images_product_id_fkey FOREIGN KEY (platform, product_id)
            REFERENCES products (platform, product_id) ON DELETE CASCADE
    )
    """,
    "COMMENT ON COLUMN images.is_main IS 'several of one product may be'",
    "COMMENT ON COLUMN images.extra IS 'what no other column holds'",
    """
    CREATE TABLE extras (
        platform TEXT NOT NULL,
        product_id TEXT NOT NULL,
        extra_id TEXT NOT NULL,
        characteristics TEXT,
        delivery TEXT,
        kit TEXT,
        offer TEXT,
        ai_description TEXT,
        extra JSONB DEFAULT '{}' NOT NULL,
        CONSTRAINT extras_pkey PRIMARY KEY (platform, product_id, extra_id),
        CONSTRAINT extras_extra_object_check CHECK (jsonb_typeof(extra) = 'object'),
        CONSTRAINT extras_product_id_fkey FOREIGN KEY (platform, product_id)
            REFERENCES products (platform, product_id) ON DELETE CASCADE
    )
    """,
    "COMMENT ON COLUMN extras.extra IS 'what no other column holds'",
    """
    CREATE TABLE reviews (
        platform TEXT NOT NULL,
        product_id TEXT NOT NULL,
        review_id TEXT NOT NULL,
        photo_url TEXT,
        sort_order INTEGER,
        extra JSONB DEFAULT '{}' NOT NULL,
        CONSTRAINT reviews_pkey PRIMARY KEY (platform, product_id, review_id),
        CONSTRAINT reviews_extra_object_check CHECK (jsonb_typeof(extra) = 'object'),
        CONSTRAINT reviews_product_id_fkey FOREIGN KEY (platform, product_id)
            REFERENCES products (platform, product_id) ON DELETE CASCADE
    )
    """,
    "COMMENT ON COLUMN reviews.extra IS 'what no other column holds'",
    """
    CREATE TABLE review_videos (
        platform TEXT NOT NULL,
        product_id TEXT NOT NULL,
        video_id TEXT NOT NULL,
        video_url TEXT,
        poster_url TEXT,
        sort_order INTEGER,
        extra JSONB DEFAULT '{}' NOT NULL,
        CONSTRAINT review_videos_pkey PRIMARY KEY (platform, product_id, video_id),
        CONSTRAINT review_videos_extra_object_check CHECK (jsonb_typeof(extra) = 'object'),
        CONSTRAINT review_videos_product_id_fkey FOREIGN KEY (platform, product_id)
            REFERENCES products (platform, product_id) ON DELETE CASCADE
    )
    """,
    "COMMENT ON COLUMN review_videos.extra IS 'what no other column holds'",
    """
    CREATE TABLE exclusions (
        platform TEXT NOT NULL,
        product_id TEXT NOT NULL,
        exclusion_id TEXT NOT NULL,
        parameter_id TEXT,
        color_id TEXT,
        extra JSONB DEFAULT '{}' NOT NULL,
        CONSTRAINT exclusions_pkey PRIMARY KEY (platform, product_id, exclusion_id),
        CONSTRAINT exclusions_extra_object_check CHECK (jsonb_typeof(extra) = 'object'),
        CONSTRAINT exclusions_parameter_id_fkey FOREIGN KEY (platform, product_id, parameter_id)
            REFERENCES parameters (platform, product_id, parameter_id) ON DELETE CASCADE,
        CONSTRAINT exclusions_color_id_fkey FOREIGN KEY (platform, product_id, color_id)
            REFERENCES colors (platform, product_id, color_id) ON DELETE CASCADE,
        CONSTRAINT exclusions_product_id_fkey FOREIGN KEY (platform, product_id)
            REFERENCES products (platform, product_id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX exclusions_color_id_idx ON exclusions (platform, product_id, color_id)",
    "CREATE INDEX exclusions_parameter_id_idx ON exclusions (platform, product_id, parameter_id)",
    "COMMENT ON TABLE exclusions IS 'Combinations of a product that are not sold'",
    "COMMENT ON COLUMN exclusions.parameter_id IS 'null: any'",
    "COMMENT ON COLUMN exclusions.color_id IS 'null: any'",
    "COMMENT ON COLUMN exclusions.extra IS 'what no other column holds'",
    """
    CREATE TABLE importance (
        platform TEXT NOT NULL,
        product_id TEXT NOT NULL,
        importance_id TEXT NOT NULL,
        importance INTEGER,
        extra JSONB DEFAULT '{}' NOT NULL,
        CONSTRAINT importance_pkey PRIMARY KEY (platform, product_id, importance_id),
        CONSTRAINT importance_extra_object_check CHECK (jsonb_typeof(extra) = 'object'),
        CONSTRAINT importance_product_id_fkey FOREIGN KEY (platform, product_id)
            REFERENCES products (platform, product_id) ON DELETE CASCADE
    )
    """,
    "COMMENT ON COLUMN importance.extra IS 'what no other column holds'",
)


def upgrade() -> None:
    """Add them."""
    for statement in STATEMENTS:
        op.execute(statement)
