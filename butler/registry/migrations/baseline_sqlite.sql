CREATE TABLE butler_attributes (
    name VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE collection (
    id INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    type VARCHAR NOT NULL,
    doc VARCHAR NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (name)
);

CREATE TABLE dim_instrument (
    instrument VARCHAR NOT NULL,
    visit_max BIGINT,
    visit_system BIGINT,
    exposure_max BIGINT,
    detector_max BIGINT,
    class_name VARCHAR,
    PRIMARY KEY (instrument)
);

CREATE TABLE dim_skymap (
    skymap VARCHAR NOT NULL,
    hash VARCHAR,
    tract_max BIGINT,
    patch_nx_max BIGINT,
    patch_ny_max BIGINT,
    PRIMARY KEY (skymap),
    UNIQUE (hash)
);

CREATE TABLE dim_subfilter (
    band VARCHAR NOT NULL,
    subfilter BIGINT NOT NULL,
    PRIMARY KEY (band, subfilter)
);

CREATE TABLE file_format (
    id INTEGER NOT NULL,
    digest BLOB NOT NULL,
    formatter VARCHAR NOT NULL,
    layout VARCHAR,
    PRIMARY KEY (id),
    UNIQUE (digest)
);

CREATE TABLE tag_group (
    id INTEGER NOT NULL,
    dimensions VARCHAR NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (dimensions)
);

CREATE TABLE collection_chain (
    parent_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    child_id INTEGER NOT NULL,
    PRIMARY KEY (parent_id, position),
    FOREIGN KEY(parent_id) REFERENCES collection (id) ON DELETE CASCADE,
    FOREIGN KEY(child_id) REFERENCES collection (id)
);

CREATE INDEX ix_collection_chain_child_id ON collection_chain (child_id);

CREATE TABLE dataset_type (
    id INTEGER NOT NULL,
    name VARCHAR NOT NULL,
    tag_group_id INTEGER NOT NULL,
    dimensions VARCHAR NOT NULL,
    storage_class VARCHAR NOT NULL,
    is_calibration BOOLEAN NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (name),
    FOREIGN KEY(tag_group_id) REFERENCES tag_group (id)
);

CREATE TABLE dim_day_obs (
    instrument VARCHAR NOT NULL,
    day_obs BIGINT NOT NULL,
    timespan_begin BIGINT,
    timespan_end BIGINT,
    PRIMARY KEY (instrument, day_obs),
    FOREIGN KEY(instrument) REFERENCES dim_instrument (instrument)
);

CREATE TABLE dim_detector (
    instrument VARCHAR NOT NULL,
    detector BIGINT NOT NULL,
    full_name VARCHAR,
    name_in_raft VARCHAR,
    raft VARCHAR,
    purpose VARCHAR,
    PRIMARY KEY (instrument, detector),
    FOREIGN KEY(instrument) REFERENCES dim_instrument (instrument),
    UNIQUE (instrument, full_name)
);

CREATE TABLE dim_group (
    instrument VARCHAR NOT NULL,
    "group" VARCHAR NOT NULL,
    PRIMARY KEY (instrument, "group"),
    FOREIGN KEY(instrument) REFERENCES dim_instrument (instrument)
);

CREATE TABLE dim_physical_filter (
    instrument VARCHAR NOT NULL,
    physical_filter VARCHAR NOT NULL,
    band VARCHAR NOT NULL,
    PRIMARY KEY (instrument, physical_filter),
    FOREIGN KEY(instrument) REFERENCES dim_instrument (instrument)
);

CREATE TABLE dim_tract (
    skymap VARCHAR NOT NULL,
    tract BIGINT NOT NULL,
    region BLOB,
    bound_x0 DOUBLE,
    bound_x1 DOUBLE,
    bound_y0 DOUBLE,
    bound_y1 DOUBLE,
    bound_z0 DOUBLE,
    bound_z1 DOUBLE,
    sky_cell BIGINT,
    PRIMARY KEY (skymap, tract),
    FOREIGN KEY(skymap) REFERENCES dim_skymap (skymap)
);

CREATE INDEX ix_dim_tract_sky_cell ON dim_tract (sky_cell);

CREATE TABLE dim_visit_system (
    instrument VARCHAR NOT NULL,
    visit_system BIGINT NOT NULL,
    name VARCHAR,
    PRIMARY KEY (instrument, visit_system),
    FOREIGN KEY(instrument) REFERENCES dim_instrument (instrument),
    UNIQUE (instrument, name)
);

CREATE TABLE dataset (
    id INTEGER NOT NULL,
    uuid BLOB NOT NULL,
    dataset_type_id INTEGER NOT NULL,
    run_id INTEGER NOT NULL,
    ingest_date BIGINT NOT NULL,
    PRIMARY KEY (id),
    UNIQUE (uuid),
    FOREIGN KEY(dataset_type_id) REFERENCES dataset_type (id),
    FOREIGN KEY(run_id) REFERENCES collection (id)
);

CREATE INDEX ix_dataset_run_id ON dataset (run_id);

CREATE TABLE dim_exposure (
    instrument VARCHAR NOT NULL,
    exposure BIGINT NOT NULL,
    physical_filter VARCHAR NOT NULL,
    "group" VARCHAR NOT NULL,
    day_obs BIGINT NOT NULL,
    obs_id VARCHAR,
    exposure_time DOUBLE,
    dark_time DOUBLE,
    observation_type VARCHAR,
    observation_reason VARCHAR,
    seq_num BIGINT,
    seq_start BIGINT,
    seq_end BIGINT,
    target_name VARCHAR,
    science_program VARCHAR,
    tracking_ra DOUBLE,
    tracking_dec DOUBLE,
    sky_angle DOUBLE,
    azimuth DOUBLE,
    zenith_angle DOUBLE,
    has_simulated BOOLEAN,
    can_see_sky BOOLEAN,
    timespan_begin BIGINT,
    timespan_end BIGINT,
    PRIMARY KEY (instrument, exposure),
    FOREIGN KEY(instrument) REFERENCES dim_instrument (instrument),
    FOREIGN KEY(instrument, physical_filter) REFERENCES dim_physical_filter (instrument, physical_filter),
    FOREIGN KEY(instrument, "group") REFERENCES dim_group (instrument, "group"),
    FOREIGN KEY(instrument, day_obs) REFERENCES dim_day_obs (instrument, day_obs),
    UNIQUE (instrument, obs_id)
);

CREATE TABLE dim_patch (
    skymap VARCHAR NOT NULL,
    tract BIGINT NOT NULL,
    patch BIGINT NOT NULL,
    cell_x BIGINT NOT NULL,
    cell_y BIGINT NOT NULL,
    region BLOB,
    bound_x0 DOUBLE,
    bound_x1 DOUBLE,
    bound_y0 DOUBLE,
    bound_y1 DOUBLE,
    bound_z0 DOUBLE,
    bound_z1 DOUBLE,
    sky_cell BIGINT,
    PRIMARY KEY (skymap, tract, patch),
    FOREIGN KEY(skymap) REFERENCES dim_skymap (skymap),
    FOREIGN KEY(skymap, tract) REFERENCES dim_tract (skymap, tract)
);

CREATE INDEX ix_dim_patch_sky_cell ON dim_patch (sky_cell);

CREATE TABLE dim_visit (
    instrument VARCHAR NOT NULL,
    visit BIGINT NOT NULL,
    physical_filter VARCHAR NOT NULL,
    day_obs BIGINT NOT NULL,
    name VARCHAR,
    seq_num BIGINT,
    exposure_time DOUBLE,
    target_name VARCHAR,
    observation_reason VARCHAR,
    science_program VARCHAR,
    azimuth DOUBLE,
    zenith_angle DOUBLE,
    region BLOB,
    bound_x0 DOUBLE,
    bound_x1 DOUBLE,
    bound_y0 DOUBLE,
    bound_y1 DOUBLE,
    bound_z0 DOUBLE,
    bound_z1 DOUBLE,
    sky_cell BIGINT,
    timespan_begin BIGINT,
    timespan_end BIGINT,
    PRIMARY KEY (instrument, visit),
    FOREIGN KEY(instrument) REFERENCES dim_instrument (instrument),
    FOREIGN KEY(instrument, physical_filter) REFERENCES dim_physical_filter (instrument, physical_filter),
    FOREIGN KEY(instrument, day_obs) REFERENCES dim_day_obs (instrument, day_obs),
    UNIQUE (instrument, name)
);

CREATE INDEX ix_dim_visit_sky_cell ON dim_visit (sky_cell);

CREATE TABLE dim_visit_definition (
    instrument VARCHAR NOT NULL,
    exposure BIGINT NOT NULL,
    visit BIGINT NOT NULL,
    PRIMARY KEY (instrument, exposure, visit),
    FOREIGN KEY(instrument) REFERENCES dim_instrument (instrument),
    FOREIGN KEY(instrument, exposure) REFERENCES dim_exposure (instrument, exposure),
    FOREIGN KEY(instrument, visit) REFERENCES dim_visit (instrument, visit)
);

CREATE TABLE dim_visit_detector_region (
    instrument VARCHAR NOT NULL,
    detector BIGINT NOT NULL,
    visit BIGINT NOT NULL,
    region BLOB,
    bound_x0 DOUBLE,
    bound_x1 DOUBLE,
    bound_y0 DOUBLE,
    bound_y1 DOUBLE,
    bound_z0 DOUBLE,
    bound_z1 DOUBLE,
    sky_cell BIGINT,
    PRIMARY KEY (instrument, detector, visit),
    FOREIGN KEY(instrument) REFERENCES dim_instrument (instrument),
    FOREIGN KEY(instrument, detector) REFERENCES dim_detector (instrument, detector),
    FOREIGN KEY(instrument, visit) REFERENCES dim_visit (instrument, visit)
);

CREATE INDEX ix_dim_visit_detector_region_sky_cell ON dim_visit_detector_region (sky_cell);

CREATE TABLE dim_visit_system_membership (
    instrument VARCHAR NOT NULL,
    visit_system BIGINT NOT NULL,
    visit BIGINT NOT NULL,
    PRIMARY KEY (instrument, visit_system, visit),
    FOREIGN KEY(instrument) REFERENCES dim_instrument (instrument),
    FOREIGN KEY(instrument, visit_system) REFERENCES dim_visit_system (instrument, visit_system),
    FOREIGN KEY(instrument, visit) REFERENCES dim_visit (instrument, visit)
);

CREATE TABLE file_record (
    dataset_id INTEGER NOT NULL,
    path VARCHAR NOT NULL,
    path_key BIGINT NOT NULL,
    size BIGINT NOT NULL,
    checksum BLOB,
    format_id INTEGER NOT NULL,
    PRIMARY KEY (dataset_id),
    FOREIGN KEY(dataset_id) REFERENCES dataset (id) ON DELETE CASCADE,
    FOREIGN KEY(format_id) REFERENCES file_format (id)
);

CREATE INDEX ix_file_record_path_key ON file_record (path_key);
